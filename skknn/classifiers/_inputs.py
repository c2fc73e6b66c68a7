"""From what users pass to what kNN side and base see; nothing is set on estimators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..datastore import check_graph
from ..utils._bad_values import with_place
from ..utils._labels import as_labels, check_labels_present, union_of_labels
from ._knn_transformer import fit_knn_transformer


@dataclass(frozen=True)
class SeenRows:
    """Rows as they were passed, and as the two sides of a classifier see them.

    Attributes
    ----------
    given
        What the user passed.
    checked : ndarray or csr matrix of shape (n_rows, n_features), or None
        None where only the user's own steps look into ``given``.
    for_base
        What the base sees: data frames as they are, if the base is the user's.
    """

    given: Any
    checked: Any
    for_base: Any

    def for_neighbors(self, transformer: Any) -> Any:
        """What the kNN side sees, through its fitted transformer if there is one."""
        return (
            self.checked if transformer is None else transformer.transform(self.given)
        )


@dataclass(frozen=True)
class TrainingInputs:
    """What the stages of ``fit`` work on.

    Attributes
    ----------
    base, neighbors
        Rows as the base and the kNN side see them.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Sorted.
    codes : ndarray of shape (n_samples,), intp
        Class number of each row.
    transformer : transformer or None
        The fitted ``knn_transformer``.
    checker : classifier of this package
        Unfitted; it knows the columns, so that :func:`see_rows` compares queries.
    """

    base: Any
    neighbors: Any
    y: NDArray[Any]
    classes: NDArray[Any]
    codes: NDArray[np.intp]
    transformer: Any
    checker: Any


def check_inputs(
    estimator: Any, X: Any, y: Any, classes: Any = None, groups: Any = None
) -> TrainingInputs:
    """Check training rows and labels; fit the ``knn_transformer``.

    Parameters
    ----------
    estimator : classifier of this package
        Its parameters say what is allowed. It is left as it is.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    classes : array-like of shape (n_declared,), default=None
        Labels that may come later.
    groups : array-like of shape (n_samples,), default=None
        For the ``knn_transformer``, if its fit takes them.

    Returns
    -------
    TrainingInputs
    """
    # scikit-learn's checks note columns on the estimator they are given.
    checker = type(estimator)(**estimator.get_params(deep=False))
    transformer = getattr(estimator, "knn_transformer", None)
    seen = see_rows(checker, X, transformer, reset=True)
    y, classes = check_target(
        estimator,
        seen.given if seen.checked is None else seen.checked,
        y,
        [] if classes is None else [classes],
    )
    if transformer is not None:
        transformer = fit_knn_transformer(transformer, X, y, groups)
    return TrainingInputs(
        base=seen.for_base,
        neighbors=seen.for_neighbors(transformer),
        y=y,
        classes=classes,
        codes=np.searchsorted(classes, y),
        transformer=transformer,
        checker=checker,
    )


@dataclass(frozen=True)
class MoreRows:
    """Rows for a classifier that is fitted.

    Attributes
    ----------
    base, neighbors
        Rows as the base and the kNN side see them.
    y : ndarray of shape (n_more,)
    classes : ndarray of shape (n_classes,)
        Those there were and those that are new, sorted.
    codes : ndarray of shape (n_more,), intp
        Class number of each row.
    """

    base: Any
    neighbors: Any
    y: NDArray[Any]
    classes: NDArray[Any]
    codes: NDArray[np.intp]


def check_more_rows(
    estimator: Any, X: Any, y: Any, classes: Any, transformer: Any = None
) -> MoreRows:
    """Check rows and labels that come to those of ``fit``.

    Parameters
    ----------
    estimator : classifier of this package
        Fitted. It is left as it is.
    X : array-like of shape (n_more, n_features)
    y : array-like of shape (n_more,)
    classes : array-like of shape (n_declared,) or None
        Labels that may come later.
    transformer : transformer or None
        The fitted one of the kNN side.

    Returns
    -------
    MoreRows
    """
    seen = see_rows(estimator, X, transformer)
    y, found = check_target(
        estimator,
        seen.given if seen.checked is None else seen.checked,
        y,
        [estimator.classes_, *([] if classes is None else [classes])],
    )
    return MoreRows(
        base=seen.for_base,
        neighbors=seen.for_neighbors(transformer),
        y=y,
        classes=found,
        codes=np.searchsorted(found, y),
    )


def refitted(
    estimator: Any, inputs: TrainingInputs, **attributes: Any
) -> dict[str, Any]:
    """State of an estimator after ``fit``: what an earlier fit left is gone.

    For ``self.__dict__ = refitted(self, ...)``, one step that cannot be interrupted
    half-way.

    Parameters
    ----------
    estimator : classifier of this package
    inputs : TrainingInputs
    **attributes : dict
        Fitted attributes besides ``classes_`` and those over columns.

    Returns
    -------
    dict
    """
    kept = {
        name: value
        for name, value in vars(estimator).items()
        if name.startswith("__") or not name.endswith("_")
    }
    columns = {
        name: value
        for name, value in vars(inputs.checker).items()
        if name in ("n_features_in_", "feature_names_in_")
    }
    return {**kept, **columns, "classes_": inputs.classes, **attributes}


def see_rows(
    estimator: Any, X: Any, transformer: Any = None, *, reset: bool = False
) -> SeenRows:
    """Check rows and say what the two sides see of them.

    Parameters
    ----------
    estimator : classifier of this package
    X : array-like of shape (n_rows, n_features)
    transformer : transformer or None
        That of the kNN side. With one, rows need not be numeric.
    reset : bool, default=False
        Whether to note number and names of columns on ``estimator`` in place of
        comparing with them.

    Returns
    -------
    SeenRows
    """
    if transformer is not None:
        _check_given(estimator, X, reset)
        if hasattr(X, "shape"):
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return SeenRows(given=X, checked=None, for_base=X)
    rows = check_rows(estimator, X, reset=reset)
    as_given = hasattr(estimator, "estimator") and hasattr(X, "columns")
    return SeenRows(given=X, checked=rows, for_base=X if as_given else rows)


def check_rows(estimator: Any, X: Any, *, reset: bool = False) -> Any:
    """Check a float matrix, or a graph; an error over a bad value says where it is.

    Parameters
    ----------
    estimator : classifier of this package
    X : array-like of shape (n_rows, n_features)
    reset : bool, default=False
        As in :func:`see_rows`.

    Returns
    -------
    ndarray of shape (n_rows, n_features), float64 or float32, or csr matrix
    """
    _check_given(estimator, X, reset)
    graph = isinstance(estimator.algorithm, str)
    graph = graph and estimator.algorithm == "precomputed"
    if graph and not get_tags(estimator).input_tags.pairwise:
        raise ValueError(
            f"algorithm='precomputed' leaves {type(estimator).__name__} without "
            "features for its base classifier. Use JointKNNClassifier with "
            "knn_transformer=KNeighborsTransformer(mode='distance') on feature rows; "
            "lam=0 there predicts with the weighted base alone."
        )
    if graph and not issparse(X):
        check_graph(X)  # raises
    half = getattr(X, "dtype", None) == np.float16
    try:
        # Whatever comes in becomes an array of numpy's, with dispatch on as well.
        with config_context(array_api_dispatch=False):
            return validate_data(
                estimator,
                X,
                reset=reset,
                accept_sparse="csr" if graph else False,
                # float32 holds float16 exactly, in half the memory of float64.
                dtype=np.float32 if half else [np.float64, np.float32],
                order="C",
            )
    except ValueError as error:
        raise with_place(error, X) from None


def _check_given(estimator: Any, X: Any, reset: bool) -> None:
    if X is None and not reset:
        name = type(estimator).__name__
        votes = "SoftKNNClassifier(...).fit(X, y)"
        if hasattr(estimator, "knn_"):
            votes = "knn_"
        raise ValueError(
            f"{name} has no predictions for X=None, the training rows each without "
            "itself: its base has learnt from all of them. Use knn_proba_ for the "
            f"votes for their own classes, {votes}.predict_proba(None) for all "
            "classes, or sklearn.model_selection.cross_val_predict."
        )


def check_target(
    estimator: Any, X: Any, y: Any, known: Sequence[Any] = ()
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check labels against rows.

    Parameters
    ----------
    estimator : classifier of this package
    X : array, data frame, sparse matrix or list
        Rows, as many as labels.
    y : array-like of shape (n_samples,)
    known : sequence of array-like of shape (n_labels,)
        Classes that need not be in ``y``.

    Returns
    -------
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Sorted, at least two: those in ``y`` and in ``known``.
    """
    name = type(estimator).__name__
    if y is None:
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None. Pass one "
            "class label a row."
        )
    check_consistent_length(X, y)
    y = as_labels(y, warn=True)
    check_labels_present(y)
    check_classification_targets(y)
    classes = np.unique(y)
    if known:
        declared = [found for found in map(_declared, known) if found.size]
        for labels in declared:
            check_labels_present(labels, "classes")
        classes = union_of_labels(*declared, classes, name="y")
    if len(classes) < 2:
        only = classes.tolist()[0]
        raise ValueError(
            f"y has one class only ({only!r}); {name} needs at least 2 classes. Check "
            "y, or how the rows were split."
        )
    return y, classes


def _declared(labels: Any) -> NDArray[Any]:
    """Labels of ``classes``."""
    try:
        return as_labels(labels)
    except ValueError as error:
        raise ValueError(
            f"classes={labels!r} must be a list of labels, such as [0, 1, 2]."
        ) from error
