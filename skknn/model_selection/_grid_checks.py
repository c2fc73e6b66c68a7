"""What a search refuses at once: grids, data, scores and splits that cannot work."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets

from ..classifiers import SoftKNNClassifier, check_rows
from ..utils._labels import as_labels, check_labels_present
from ._candidates import Candidate
from ._scoring import KINDS, named_kinds
from ._settings import is_path, role, split_pipeline

Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def grid_points(estimator: Any, param_grid: Any) -> ParameterGrid:
    """Points of a grid, with "path" as one value of lambda.

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline that ends in one
    param_grid : dict or list of dict

    Returns
    -------
    ParameterGrid
    """
    split_pipeline(estimator)
    grids = [param_grid] if isinstance(param_grid, dict) else param_grid
    return ParameterGrid(
        [
            {
                name: [values]
                if is_path(values) and role(estimator, name) == "mixture"
                else values
                for name, values in grid.items()
            }
            for grid in grids
        ]
    )


def check_data(candidates: list[Candidate], X: Any, y: Any) -> Any:
    """Refuse what every fit would refuse; return ``y`` with one axis."""
    labels = as_labels(y, warn=True)
    check_labels_present(labels)
    check_classification_targets(labels)
    numeric = [
        not candidate.steps and getattr(candidate.clf, "knn_transformer", None) is None
        for candidate in candidates
    ]
    if all(numeric):
        check_rows(clone(candidates[0].clf), X, reset=True)
    return y if np.ndim(y) == 1 else labels


def check_path(candidates: list[Candidate], kinds: Any, scoring: Any) -> None:
    """Refuse ``lam="path"`` with scores that are not known for every lambda."""
    if not any(candidate.path for candidate in candidates):
        return
    if any(kind not in KINDS for kind in named_kinds(kinds).values()):
        raise ValueError(
            f"lam='path' is exact for the scores {', '.join(KINDS)}; got "
            f"scoring={scoring!r}. Give a list of numbers instead, for example "
            "np.linspace(0, 1, 101): they share all fits."
        )


def make_splits(
    cv: Any,
    estimator: Any,
    candidates: list[Candidate],
    X: Any,
    y: Any,
    params: dict[str, Any],
) -> Splits:
    """Training and held-out rows of each split.

    Parameters
    ----------
    cv : int, splitter, iterable, None or "loo"
    estimator : classifier of this package, or Pipeline that ends in one
    candidates : list of Candidate
    X, y : array-likes
    params : dict
        For the splitter.

    Returns
    -------
    list of (train, test)
        ``"loo"`` is one split with all rows on both sides.
    """
    if isinstance(cv, str):
        _check_leave_one_out(candidates)
        everything = np.arange(len(y))
        return [(everything, everything)]
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    n_splits = splitter.get_n_splits(X, y, **params)
    splits = list(splitter.split(X, y, **params))
    if len(splits) != n_splits:
        raise ValueError(
            f"cv={cv!r} announces {n_splits} splits and gives {len(splits)}. Use a "
            "splitter that does what it says."
        )
    if not splits:
        raise ValueError(f"cv={cv!r} gives no splits.")
    return splits


def _check_leave_one_out(candidates: list[Candidate]) -> None:
    for candidate in candidates:
        if not isinstance(candidate.clf, SoftKNNClassifier):
            raise ValueError(
                "cv='loo' needs SoftKNNClassifier; "
                f"{type(candidate.clf).__name__} would have to fit its base once for "
                "each row. Use cv=5, or tune k and tau of SoftKNNClassifier first."
            )
        for step in candidate.steps:
            if get_tags(step.transformer).target_tags.required:
                raise ValueError(
                    f"cv='loo' fits {step.transformer!r} on all rows, labels "
                    "included, so no row would be left out. Use cv=5."
                )
