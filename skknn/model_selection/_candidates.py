"""Points of a grid: the estimator that each one means, and what points share."""

import copy
import inspect
from dataclasses import dataclass, field
from functools import cache

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..classifiers import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)

CLASSIFIERS = (SoftKNNClassifier, KNNWeightedLogisticRegression, JointKNNClassifier)

# Parameters of the classifiers by what they change. All others change the base.
_SEARCH = {"metric", "preprocessing", "algorithm", "device", "n_jobs"}
_SEARCH |= {"knn_transformer"}
_VOTES = {"n_neighbors", "tau"}
_WEIGHTS = {"modulation", "gamma", "alpha"}
_MIXTURE = {"lam"}

_SCALARS = (type(None), bool, int, float, str, bytes)


@dataclass
class Step:
    """A transformer before the classifier.

    ``memory`` is that of the Pipeline it comes from, ``key`` equal for equal settings.
    """

    name: str
    transformer: object
    memory: object
    key: tuple = None


@dataclass(eq=False)
class Candidate:
    """One point of the grid.

    Attributes
    ----------
    params : dict
        As in ``cv_results_["params"]``.
    whole : estimator
        Unfitted, with every parameter set that is not in ``own``.
    own : dict
        Parameters of the final classifier, by the names of ``whole``.
    steps : list of Step
    clf : classifier
        The final classifier with all its parameters, never fitted.
    path : bool
        Whether lambda is to be found.
    validated : bool
        Whether the values of the parameters are known to be allowed.
    search_key, base_key, weight_key : tuple
        Equal where the neighbour search, the unfitted base, and what turns
        leave-one-out probabilities into weights are equal.
    """

    params: dict
    whole: object
    own: dict
    steps: list
    clf: object
    path: bool
    validated: bool = field(init=False)
    search_key: tuple = field(init=False)
    base_key: tuple = field(init=False)
    weight_key: tuple = field(init=False)

    def __post_init__(self):
        self.validated = get_config()["skip_parameter_validation"]
        names = _parameter_names(type(self.clf))
        keys = {name: setting_key(getattr(self.clf, name)) for name in names}
        kind = type(self.clf)
        base = keys.keys() - _SEARCH - _VOTES - _WEIGHTS - _MIXTURE
        self.search_key = (kind, *_items(keys, _SEARCH & keys.keys()))
        self.base_key = _items(keys, base)
        self.weight_key = _items(keys, _WEIGHTS & keys.keys())

    def make_estimator(self):
        """A new estimator with all parameters of this point."""
        return clone(self.whole).set_params(**clone(self.own, safe=False))


def make_candidates(estimator, settings):
    """Resolve settings of parameters into candidates.

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline that ends in one
    settings : iterable of dict
        Names as ``estimator.set_params`` takes them; ``"path"`` as the value of lambda
        asks for the best one.

    Returns
    -------
    list of Candidate

    Raises
    ------
    ValueError
        If a point of the grid ends in another classifier, or names no parameter.
    """
    split_pipeline(estimator)
    prefix = _prefix(estimator)
    built = {}
    return [_candidate(estimator, prefix, built, params) for params in settings]


def _candidate(estimator, prefix, built, params):
    own = {name: value for name, value in params.items() if _is_own(name, prefix)}
    # A grid may replace a nested estimator and set its parameters as well.
    own = {
        name: value
        for name, value in own.items()
        if not any(other.startswith(f"{name}__") for other in params)
    }
    rest = {name: value for name, value in params.items() if name not in own}
    # What is built from equal settings is built once: embedders are slow to clone.
    key = setting_key(rest)
    if key not in built:
        built[key] = *_build(estimator, rest), set()
    if _prefix(built[key][0]) != prefix:
        # The grid has replaced the last step by another structure.
        own, rest = {}, params
        whole, steps, final = _build(estimator, rest)
        return Candidate(params, whole, own, steps, final, False)
    whole, steps, final, known = built[key]
    path = [
        name
        for name, value in own.items()
        if isinstance(value, str)
        and value == "path"
        and role(final, name[len(prefix) :]) == "mixture"
    ]
    own = {name: value for name, value in own.items() if name not in path}
    values = {name[len(prefix) :]: value for name, value in own.items()}
    clf = copy.copy(final)
    if tuple(values) not in known:
        clf.set_params(**values)
        known.add(tuple(values))
    # set_params has seen these names; for thousands of points it is slow.
    for name, value in clone(values, safe=False).items():
        setattr(clf, final._param_aliases.get(name, name), value)
    return Candidate(params, whole, own, steps, clf, bool(path))


def _is_own(name, prefix):
    return name.startswith(prefix) and "__" not in name[len(prefix) :]


def _build(estimator, params):
    # As in GridSearchCV: values may be estimators, which are not to be shared.
    whole = clone(estimator).set_params(**clone(params, safe=False))
    return whole, *split_pipeline(whole)


def split_pipeline(estimator):
    """Flatten nested Pipelines.

    Returns
    -------
    steps : list of Step
    classifier : estimator
        The last step of all.
    """
    steps, last = [], estimator
    while type(last) is Pipeline:
        if getattr(last, "transform_input", None) is not None:
            raise ValueError(
                "NeighborSearchCV takes no Pipeline with "
                f"transform_input={last.transform_input!r}. Use GridSearchCV."
            )
        for name, transformer in last.steps[:-1]:
            if transformer is not None and transformer != "passthrough":
                step = Step(name, transformer, last.memory, setting_key(transformer))
                steps.append(step)
        last = last.steps[-1][1]
    if type(last) not in CLASSIFIERS:
        names = ", ".join(kind.__name__ for kind in CLASSIFIERS)
        raise ValueError(
            f"NeighborSearchCV searches over {names}, alone or as the last step of "
            f"Pipelines; got estimator={last!r}. Use GridSearchCV for other estimators."
        )
    return steps, last


def as_votes(candidate):
    """The candidate's kNN alone, as a candidate of SoftKNNClassifier."""
    clf = candidate.clf
    if isinstance(clf, SoftKNNClassifier):
        return candidate
    steps = list(candidate.steps)
    if getattr(clf, "knn_transformer", None) is not None:
        transformer = clf.knn_transformer
        steps.append(Step("knn", transformer, None, setting_key(transformer)))
    guide = clf._make_guide()
    whole = Pipeline([(f"step{i}", s.transformer) for i, s in enumerate(steps)])
    whole.steps.append(("votes", guide))
    return Candidate(candidate.params, whole, {}, steps, guide, False)


def as_base(candidate):
    """The candidate with no share of the votes in the mixture."""
    if not isinstance(candidate.clf, JointKNNClassifier):
        return candidate
    clf = copy.copy(candidate.clf).set_params(lam=0.0)
    prefix = _prefix(candidate.whole)
    own = {
        name: value
        for name, value in candidate.own.items()
        if role(clf, name[len(prefix) :]) != "mixture"
    }
    own[prefix + "lam"] = 0.0
    return Candidate(
        candidate.params, candidate.whole, own, candidate.steps, clf, False
    )


def role(estimator, name):
    """What a parameter changes: "neighbors", "base" or "mixture".

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline that ends in one
    name : str
        As ``estimator.set_params`` takes it.
    """
    head, _, tail = name.partition("__")
    if type(estimator) is Pipeline:
        last_name, last = estimator.steps[-1]
        return role(last, tail) if head == last_name and tail else "neighbors"
    head = getattr(estimator, "_param_aliases", {}).get(head, head)
    if head in _SEARCH | _VOTES or isinstance(estimator, SoftKNNClassifier):
        return "neighbors"
    return "mixture" if head in _MIXTURE else "base"


def setting_key(value):
    """Something hashable that is equal for settings with equal effect."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _SCALARS):
        return type(value).__name__, value
    if isinstance(value, dict):
        # Names in sorted order; the values of class_weight may have any keys.
        names = sorted(value, key=repr)
        return "dict", tuple((setting_key(n), setting_key(value[n])) for n in names)
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(setting_key(v) for v in value)
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = value.get_params(deep=False)
        # Output containers, or all of a fitted estimator that clone does not undo.
        state = {n: v for n, v in vars(value).items() if n not in params}
        return type(value), setting_key(params), setting_key(state)
    if not callable(value):
        try:
            return type(value).__name__, joblib.hash(value)
        except Exception:
            # What cannot be pickled is equal to itself alone.
            pass
    return "id", id(value)


@cache
def _parameter_names(kind):
    return tuple(inspect.signature(kind).parameters)


def _prefix(estimator):
    """What stands before the final classifier's own parameter names."""
    prefix = ""
    while type(estimator) is Pipeline:
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix


def _items(keys, names):
    return tuple((name, keys[name]) for name in sorted(names))
