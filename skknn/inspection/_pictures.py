"""What the displays share: colours, thumbnails, the last step of a Pipeline."""

import os
from collections.abc import Sequence
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..utils._optional import import_optional

# Okabe and Ito's palette: told apart with any colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#9A9A9A"


def pyplot(display: Any) -> Any:
    """matplotlib.pyplot, for a display that is about to be drawn."""
    return import_optional(
        "matplotlib.pyplot", extra="plot", needed_for=f"{type(display).__name__}.plot"
    )


def split_pipeline(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The last step of a (nested) Pipeline, and ``X`` as that step sees it."""
    check_is_fitted(estimator)
    while isinstance(estimator, Pipeline):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator, X


def knn_side(estimator: Any, X: Any) -> tuple[Any, Any, Any]:
    """The last step of a Pipeline, its SoftKNNClassifier, and ``X`` as that sees it."""
    estimator, X = split_pipeline(estimator, X)
    if hasattr(estimator, "knn_"):
        if getattr(estimator, "knn_transformer_", None) is not None:
            X = estimator.knn_transformer_.transform(X)
        return estimator, estimator.knn_, X
    if hasattr(estimator, "kneighbors"):
        return estimator, estimator, X
    raise ValueError(
        f"estimator={estimator!r} keeps no neighbours. Pass a fitted "
        "SoftKNNClassifier or JointKNNClassifier, or a Pipeline that ends in one."
    )


def draw_image(axis: Any, image: Any) -> None:
    """Show a path, a PIL image or an array of pixels, without ticks."""
    if isinstance(image, (str, os.PathLike)):
        from ..modalities import as_images

        image = as_images([image]).item(0).pil()  # as the backbone sees it
    axis.imshow(image, cmap="gray")
    axis.set_xticks([])
    axis.set_yticks([])


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
