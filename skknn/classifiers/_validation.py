"""What the three classifiers ask of X, y and their neighbour parameters."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..neighbors import ALGORITHMS, METRICS, PREPROCESSINGS, check_graph
from ..utils._sklearn import HasMethods, Interval, StrOptions

KNN_CONSTRAINTS = {
    "n_neighbors": [Interval(Integral, 1, None, closed="left"), StrOptions({"mean"})],
    "tau": [Interval(Real, 0, None, closed="right")],
    "metric": [StrOptions(set(METRICS))],
    "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
    "algorithm": [StrOptions(set(ALGORITHMS)), HasMethods(["fit", "kneighbors"])],
    "device": "no_validation",
    "n_jobs": [Integral, None],
}

KNN_REMEDIES = {
    "n_neighbors": "Use a positive int, for example 20, or 'mean' for the mean number "
    "of training rows a class.",
    "tau": "Use a positive temperature: small values (0.01) trust the nearest rows, "
    "large ones (10) count votes equally.",
    "metric": "On L2-normalised rows 'sqeuclidean' is 2 * 'cosine'.",
    "preprocessing": "Use 'center-l2' unless rows are prepared already (None).",
    "algorithm": "Use 'auto' unless you need one engine by name, or pass an object "
    "such as sklearn.neighbors.NearestNeighbors().",
    "n_jobs": "Use None, a positive number of threads, or -1 for all cores.",
}

KNN_ALIASES = {"k": "n_neighbors", "temperature": "tau"}

GUIDE_CONSTRAINTS = {
    **KNN_CONSTRAINTS,
    "alpha": [Interval(Real, 0, None, closed="left")],
    "modulation": [StrOptions({"nll", "focal"}), callable],
    "gamma": [Interval(Real, 0, None, closed="left")],
    "C": [Interval(Real, 0, None, closed="right")],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "random_state": ["random_state"],
}

GUIDE_REMEDIES = {
    **KNN_REMEDIES,
    "alpha": "alpha=0 switches the weights off; 0.01 is a good start.",
    "modulation": "A callable takes the (n,) probabilities of the true classes and "
    "returns (n,) weights.",
    "gamma": "gamma is the exponent of the focal weights (1 - p) ** gamma; 2 is usual.",
    "C": "C is the inverse strength of the L2 penalty, as in LogisticRegression.",
    "class_weight": "Use 'balanced', a dict class -> weight, or None.",
}


def validate_rows(estimator, X, *, reset=False):
    """Check a float matrix, or a graph; an error over a bad value says where it is."""
    graph = isinstance(estimator.algorithm, str)
    graph = graph and estimator.algorithm == "precomputed"
    if graph and not getattr(estimator, "_searches_itself", False):
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
        raise _with_place(error, X) from None


def validate_fit(estimator, X, y):
    """Check ``X`` and ``y``, set ``classes_``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), float64 or float32
    y : ndarray of shape (n_samples,)
    """
    X = validate_rows(estimator, X, reset=True)
    return X, validate_target(estimator, X, y)


def validate_target(estimator, X, y):
    """Check labels against rows, set ``classes_``, return ``y`` as a 1-D array."""
    name = type(estimator).__name__
    if y is None:
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None. Pass one "
            "class label a row."
        )
    check_consistent_length(X, y)
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    estimator.classes_ = np.unique(y)
    if len(estimator.classes_) < 2:
        only = estimator.classes_.tolist()[0]
        raise ValueError(
            f"y has one class only ({only!r}); {name} needs at least 2 classes. Check "
            "y, or how the rows were split."
        )
    return y


def _with_place(error, X):
    if "NaN" not in str(error) and "infinity" not in str(error):
        return error
    try:
        bad = ~np.isfinite(np.asarray(X, dtype=np.float64))
    except (TypeError, ValueError):
        return error
    if bad.ndim != 2 or not bad.any():
        return error
    row, column = np.argwhere(bad)[0]
    rows = int(bad.any(axis=1).sum())
    return ValueError(
        f"{error}\nThe first bad value of X is in row {row}, column {column}; rows "
        f"with one: {rows}. Remove these rows or impute them."
    )
