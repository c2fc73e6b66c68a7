"""The grid that JointKNNClassifierCV searches, made from its own parameters."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing

from ..classifiers import check_target, see_rows
from ..datastore import Groups
from ..utils._sklearn import check_method_params
from ._grid_checks import Splits, make_splits
from ._settings import is_path

# C for rows of variance 1 (summed over columns), a factor of 4 apart: less can cost
# half a point, more is not told apart by a few hundred rows.
_STRENGTHS = np.array([1.0, 4.0, 16.0, 64.0, 256.0, 1024.0])
_FOLDS = 5
# "path": finer than a few hundred rows can tell.
_SHARES = np.linspace(0, 1, 51).round(2).tolist()


def joint_grid(search: Any, X: Any, y: Any) -> dict[str, list[Any]]:
    """Values of each parameter of JointKNNClassifier that is searched.

    Parameters
    ----------
    search : JointKNNClassifierCV
    X : array-like of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,)

    Returns
    -------
    dict str -> list
        By the constructor's names, ``"C"`` perhaps as a nested one.

    Raises
    ------
    ValueError
        For a parameter without a value.
    """
    grid = {
        name: as_values(name, getattr(search, name))
        for name in ("n_neighbors", "tau", "alpha")
    }
    grid["n_neighbors"] = _within_reach(grid["n_neighbors"], len(y))
    strength = strength_name(search.estimator)
    if strength is not None and search.C is not None:
        automatic = isinstance(search.C, str)
        values = automatic_strengths(search.estimator, X, y) if automatic else search.C
        grid[strength] = as_values("C", values)
    shares = _SHARES if is_path(search.lam) else search.lam
    return {**grid, "lam": as_values("lam", shares)}


def check_training(search: Any, X: Any, y: Any) -> NDArray[Any]:
    """Refuse rows and labels that every fit would refuse; the labels in one axis.

    Parameters
    ----------
    search : JointKNNClassifierCV
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    # No clone: that copies cv, and a generator of splits cannot be copied.
    checker = type(search)(**search.get_params(deep=False))
    seen = see_rows(checker, X, search.knn_transformer, reset=True)
    rows = seen.given if seen.checked is None else seen.checked
    return check_target(search, rows, y)[0]


def routed_splits(
    search: Any, X: Any, y: NDArray[Any], params: dict[str, Any]
) -> tuple[Splits, dict[str, Any], Any]:
    """Training and held-out rows of each split, the same for all that is chosen.

    Parameters
    ----------
    search : JointKNNClassifierCV
        A number of folds is reduced to the rows of the largest class.
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    params : dict
        What ``fit`` was given besides.

    Returns
    -------
    splits : list of (train, test)
    score_params : dict
        What the scorer requests of ``params``.
    groups : array-like of shape (n_samples,) or None
        For the classifier.
    """
    params = check_method_params(X, params=params)
    groups = params.get("groups")
    if groups is not None:  # here, where rows have the numbers that the user knows
        Groups.of(groups, X)
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(search, "fit", **params)
        of_splitter, of_scorer = routed.splitter.split, routed.scorer.score
    else:
        of_splitter = {"groups": params.pop("groups", None)}
        of_scorer = {}
        if params:
            raise ValueError(
                f"{type(search).__name__} passes no parameters on to fit, got "
                f"{sorted(params)}. Without metadata routing it takes groups alone."
            )
    splits = make_splits(_splitter(search.cv, y), search, [], X, y, of_splitter)
    for number, (train, _) in enumerate(splits):
        found = np.unique(y[train])
        if len(found) < 2:
            raise ValueError(
                f"cv={search.cv!r} leaves one class only ({found.tolist()}) in "
                f"training part {number} of the {len(y)} rows; "
                f"{type(search).__name__} needs at least 2 there. Use more rows of "
                "each class, a splitter that keeps their shares such as "
                "StratifiedKFold, or JointKNNClassifier with parameters of your own."
            )
    return splits, of_scorer, groups


def _splitter(cv: Any, y: NDArray[Any]) -> Any:
    if cv is not None and not isinstance(cv, Integral):
        return cv
    largest = int(np.unique(y, return_counts=True)[1].max())
    if largest < 2:
        raise ValueError(
            f"No class in y has two rows ({len(y)} rows), so none can be held out. "
            "Use JointKNNClassifier with parameters of your own."
        )
    return min(_FOLDS if cv is None else int(cv), largest)


def _within_reach(values: list[Any], n_samples: int) -> list[Any]:
    """Numbers of voting rows, without those above half the rows if others remain."""
    small = [k for k in values if isinstance(k, str) or k <= n_samples // 2]
    return small or [min(values)]


def as_values(name: str, values: Any) -> list[Any]:
    """A parameter's values as a list; one number or word is a list of one."""
    if isinstance(values, str) or np.ndim(values) == 0:
        return [values]
    listed = np.asarray(values).tolist() if hasattr(values, "dtype") else list(values)
    if not listed:
        raise ValueError(
            f"{name}={values!r} has no value to try. Give one, or several, or leave "
            "the default."
        )
    return listed


def strength_name(base: Any) -> str | None:
    """Name of the base's ``C`` as JointKNNClassifier knows it.

    Parameters
    ----------
    base : classifier, Pipeline or None

    Returns
    -------
    str or None
        None for a base without one.
    """
    if base is None:
        return "C"
    path = ["estimator"]
    while isinstance(base, Pipeline):
        name, base = base.steps[-1]
        path.append(name)
    return "__".join([*path, "C"]) if hasattr(base, "C") else None


def automatic_strengths(base: Any, X: Any, y: Any) -> list[float]:
    """Values of ``C`` that mean the same whatever the scale of the rows.

    Parameters
    ----------
    base : classifier, Pipeline or None
        Steps before the last are fitted on the rows to see their scale.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)

    Returns
    -------
    list of float
        1 to 1024 over the rows' variance, summed over columns.
    """
    while isinstance(base, Pipeline):
        if len(base.steps) > 1:
            before = clone(base).set_params(**{base.steps[-1][0]: "passthrough"})
            X = before.fit_transform(X, y)
        base = base.steps[-1][1]
    variance = _total_variance(X)
    scale = variance if 0 < variance < np.inf else 1.0
    return [float(f"{strength / scale:.3g}") for strength in _STRENGTHS]


def _total_variance(X: Any) -> float:
    if issparse(X):  # the mean is small beside the squares
        return float(X.multiply(X).sum()) / X.shape[0]
    try:
        rows: NDArray[Any] = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):  # words, lists: the base knows what to do
        return np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(rows.var(axis=0).sum())
