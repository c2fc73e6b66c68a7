"""Parameters of the three classifiers: what they act on, allowed values, remedies."""

from numbers import Integral, Real
from typing import Any

from ..datastore import METRICS, PREPROCESSINGS
from ..neighbors import ALGORITHMS
from ..utils._parameters import N_JOBS
from ..utils._sklearn import HasMethods, Interval, StrOptions

# By what they change; all parameters in none of these sets change the base alone.
SEARCH_PARAMETERS = frozenset(
    {"metric", "preprocessing", "algorithm", "device", "n_jobs"}
)
VOTE_PARAMETERS = frozenset({"n_neighbors", "tau"})
WEIGHT_PARAMETERS = frozenset({"modulation", "gamma", "alpha"})
MIXTURE_PARAMETERS = frozenset({"lam"})

KNN_ALIASES = {"k": "n_neighbors", "temperature": "tau"}
JOINT_ALIASES = {**KNN_ALIASES, "lambda": "lam", "lambda_": "lam"}

KNN_CONSTRAINTS: dict[str, Any] = {
    "n_neighbors": [Interval(Integral, 1, None, closed="left"), StrOptions({"mean"})],
    "tau": [Interval(Real, 0, None, closed="right"), StrOptions({"scale"})],
    "metric": [StrOptions(set(METRICS))],
    "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
    "algorithm": [StrOptions(set(ALGORITHMS)), HasMethods(["fit", "kneighbors"])],
    "device": "no_validation",
    "n_jobs": N_JOBS,
}

KNN_REMEDIES = {
    "n_neighbors": "Use a positive int, for example 20, or 'mean' for the mean number "
    "of training rows a class.",
    "tau": "Use a positive temperature: small values (0.01) trust the nearest rows, "
    "large ones (10) count votes equally; 'scale' follows the distances between rows.",
    "metric": "On L2-normalised rows 'sqeuclidean' is 2 * 'cosine'.",
    "preprocessing": "Use 'center-l2' unless rows are prepared already (None).",
    "algorithm": "Use 'auto' unless you need one engine by name, or pass an object "
    "such as sklearn.neighbors.NearestNeighbors().",
}

GUIDED_CONSTRAINTS: dict[str, Any] = {
    **KNN_CONSTRAINTS,
    "alpha": [Interval(Real, 0, None, closed="left")],
    "modulation": [StrOptions({"nll", "focal"}), callable],
    "gamma": [Interval(Real, 0, None, closed="left")],
    "C": [Interval(Real, 0, None, closed="right")],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "random_state": ["random_state"],
}

GUIDED_REMEDIES = {
    **KNN_REMEDIES,
    "alpha": "alpha=0 switches the weights off; 0.01 is a good start.",
    "modulation": "A callable takes the (n,) probabilities of the true classes and "
    "returns (n,) weights.",
    "gamma": "gamma is the exponent of the focal weights (1 - p) ** gamma; 2 is usual.",
    "C": "C is the inverse strength of the L2 penalty, as in LogisticRegression.",
    "class_weight": "Use 'balanced', a dict class -> weight, or None.",
}
