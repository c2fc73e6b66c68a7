"""What the displays share: colours, texts, thumbnails, the classifier in a model."""

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..utils._optional import import_optional

# Okabe and Ito's palette: told apart with any colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#9A9A9A"
SKY = "#56B4E9"
# What TeX takes for something else, where matplotlib leaves texts to it.
_TEX = str.maketrans(
    {
        **{character: "\\" + character for character in "$_{}%&#"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
    }
)


def pyplot(display: Any) -> Any:
    """matplotlib.pyplot, for a display that is about to be drawn."""
    return import_optional(
        "matplotlib.pyplot", extra="plot", needed_for=f"{type(display).__name__}.plot"
    )


def final_classifier(estimator: Any, X: Any = None) -> tuple[Any, Any]:
    """The classifier at the end of (nested) Pipelines and searches.

    Parameters
    ----------
    estimator : classifier, Pipeline or search
        Fitted.
    X : rows as ``estimator`` takes them, or None

    Returns
    -------
    classifier
    X
        As the classifier sees it.
    """
    check_is_fitted(estimator)
    while True:
        if isinstance(estimator, Pipeline):
            if X is not None and len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "cv_results_"):
            raise ValueError(
                f"refit={estimator.refit!r} left {type(estimator).__name__} without a "
                "fitted estimator. Use refit=True, or pass a fitted estimator."
            )
        else:
            return estimator, X


def draw_image(axis: Any, image: Any) -> None:
    """Show a path, a PIL image or an array of pixels, without ticks."""
    if isinstance(image, (str, os.PathLike)):
        from ..modalities import as_images

        image = as_images([image]).item(0).pil()  # as the backbone sees it
    axis.imshow(image, cmap="gray")
    axis.set_xticks([])
    axis.set_yticks([])


def plain_text(text: Any) -> str:
    """Text that matplotlib draws as it stands; in a name ``$`` begins no formula."""
    from matplotlib import rcParams

    # Names of files that are no UTF-8 have halves of surrogate pairs, which raise.
    whole = str(text).encode("utf8", "replace").decode("utf8")
    if rcParams["text.usetex"]:
        return whole.translate(_TEX)
    return whole.replace("$", r"\$")


def shortened(text: str, length: int) -> str:
    """Text without its middle where it is longer than ``length``."""
    if len(text) <= length:
        return text
    end = length // 2
    return f"{text[: length - end - 1]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def check_shown(name: str, number: Any) -> None:
    """Refuse to show less than one of something."""
    if not isinstance(number, Integral) or number < 1:
        raise ValueError(f"{name}={number!r} must be a whole number, 1 or more.")


def check_one_a_row(name: str, values: Any, n_rows: int) -> None:
    """Refuse a sequence, unless None, without one entry a training row."""
    if values is not None and len(values) != n_rows:
        raise ValueError(
            f"{name} has {len(values)} entries for {n_rows} training rows. Pass one a "
            f"row in the order of fit, or {name}=None."
        )


def class_texts(classes: Any, names: Sequence[str] | None) -> list[str]:
    """Class labels as text; ``names`` replaces them in order."""
    if names is None:
        return [str(label) for label in classes]
    if len(names) != len(classes):
        raise ValueError(
            f"class_names has {len(names)} names for {len(classes)} classes. Give one "
            "name a class, in the order of classes_."
        )
    return [str(name) for name in names]
