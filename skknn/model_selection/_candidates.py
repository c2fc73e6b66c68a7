"""Points of a grid: the estimator that each one means, and what points share."""

from collections.abc import Iterable
from typing import Any

from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..classifiers import (
    MIXTURE_PARAMETERS,
    SEARCH_PARAMETERS,
    VOTE_PARAMETERS,
    WEIGHT_PARAMETERS,
    JointKNNClassifier,
    KNNSideTransformer,
    SoftKNNClassifier,
    make_knn,
)
from ..utils._parameters import canonical_name, check_parameters
from ._fit_groups import request_groups
from ._settings import Step, is_path, own_prefix, role, setting_key, split_pipeline

Params = dict[str, Any]

_FEEDS_SEARCH = SEARCH_PARAMETERS | {"knn_transformer"}


class Candidate:
    """One point of the grid.

    Parameters
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
    path : bool, default=False
        Whether lambda is to be found.

    Attributes
    ----------
    search_key, base_key, weight_key : tuple
        Equal where the neighbour search, the unfitted base, and what turns
        leave-one-out probabilities into weights are equal.
    """

    def __init__(
        self,
        params: Params,
        whole: Any,
        own: Params,
        steps: list[Step],
        clf: Any,
        path: bool = False,
    ) -> None:
        self.params, self.whole, self.own = params, whole, own
        self.steps, self.clf, self.path = steps, clf, path
        self._checked = get_config()["skip_parameter_validation"]
        keys = {
            name: setting_key(value)
            for name, value in vars(clf).items()
            if not name.startswith("_")
        }
        of_votes = VOTE_PARAMETERS | WEIGHT_PARAMETERS | MIXTURE_PARAMETERS
        self.search_key = (type(clf), *_items(keys, _FEEDS_SEARCH))
        self.base_key = _items(keys, keys.keys() - _FEEDS_SEARCH - of_votes)
        self.weight_key = _items(keys, WEIGHT_PARAMETERS)

    def check_parameters(self) -> None:
        """Raise an error if a value is not allowed; looked at once."""
        if not self._checked:
            check_parameters(self.clf)
        self._checked = True

    def make_estimator(self) -> Any:
        """A new estimator with all parameters of this point."""
        return clone(self.whole).set_params(**clone(self.own, safe=False))

    def settle_lambda(self, lam: float) -> None:
        """Put the lambda that was found in the place of "path"."""
        self.params = {
            name: lam if is_path(value) else value
            for name, value in self.params.items()
        }


def make_candidates(estimator: Any, settings: Iterable[Params]) -> list[Candidate]:
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
    builder = _Builder(estimator)
    return [builder.candidate(params) for params in settings]


class _Builder:
    """What is built from equal settings is built once: embedders are slow to clone."""

    def __init__(self, estimator: Any) -> None:
        self._estimator, self._prefix = estimator, own_prefix(estimator)
        self._built: dict[Any, tuple[Any, ...]] = {}
        self._transformers: dict[Any, Any] = {}

    def candidate(self, params: Params) -> Candidate:
        own = {name: value for name, value in params.items() if self._is_own(name)}
        # A grid may replace a nested estimator and set its parameters as well.
        own = {
            name: value
            for name, value in own.items()
            if not any(other.startswith(f"{name}__") for other in params)
        }
        rest = {name: value for name, value in params.items() if name not in own}
        key = setting_key(rest)
        if key not in self._built:
            whole, steps, final = self._build(rest)
            self._built[key] = whole, steps, final, final.get_params(deep=False), set()
        whole, steps, final, defaults, known = self._built[key]
        if own_prefix(whole) != self._prefix:
            # The grid has replaced the last step by another structure.
            whole, steps, final = self._build(params)
            return Candidate(params, whole, {}, steps, final)
        start = len(self._prefix)
        path = [
            name
            for name, value in own.items()
            if is_path(value) and role(final, name[start:]) == "mixture"
        ]
        own = {name: value for name, value in own.items() if name not in path}
        values = clone({name[start:]: v for name, v in own.items()}, safe=False)
        if tuple(values) not in known:
            # Looks at the names; for thousands of points it is slow.
            clone(final).set_params(**values)
            known.add(tuple(values))
        values = {canonical_name(final, name): v for name, v in values.items()}
        clf = type(final)(**{**defaults, **values})
        return Candidate(params, whole, own, steps, clf, bool(path))

    def _is_own(self, name: str) -> bool:
        return name.startswith(self._prefix) and "__" not in name[len(self._prefix) :]

    def _build(self, params: Params) -> tuple[Any, list[Step], Any]:
        # As in GridSearchCV: values may be estimators, which are not to be shared.
        try:
            whole = clone(self._estimator).set_params(**clone(params, safe=False))
        except ValueError as error:
            final = split_pipeline(self._estimator)[1]
            bare = params.keys() & {*final.get_params(), *final._param_aliases}
            if not (self._prefix and bare):
                raise
            remedy = f"Parameters of its last step begin with {self._prefix!r}: "
            remedy += ", ".join(repr(self._prefix + name) for name in sorted(bare))
            raise ValueError(f"{error} {remedy}.") from None
        self._share_steps(whole)
        return whole, *split_pipeline(whole)

    def _share_steps(self, whole: Any) -> None:
        """Put transformers with equal settings, maybe networks, there once for all."""
        while type(whole) is Pipeline:
            for i, (name, step) in enumerate(whole.steps[:-1]):
                shared = self._transformers.setdefault(setting_key(step), step)
                whole.steps[i] = (name, shared)
            whole = whole.steps[-1][1]


def as_votes(candidate: Candidate) -> Candidate:
    """The candidate's kNN alone, as a candidate of SoftKNNClassifier."""
    clf = candidate.clf
    if isinstance(clf, SoftKNNClassifier):
        return candidate
    steps = list(candidate.steps)
    asking = split_pipeline(candidate.whole)[1]
    if getattr(clf, "knn_transformer", None) is not None:
        side = request_groups(KNNSideTransformer(clf.knn_transformer), asking)
        steps.append(Step("knn", side, None, setting_key(side)))
    knn = request_groups(make_knn(clf), asking)
    whole = Pipeline([(f"step{i}", s.transformer) for i, s in enumerate(steps)])
    whole.steps.append(("votes", knn))
    return Candidate(candidate.params, whole, {}, steps, knn)


def as_base(candidate: Candidate) -> Candidate:
    """The candidate with no share of the votes in the mixture."""
    if not isinstance(candidate.clf, JointKNNClassifier):
        return candidate
    clf = type(candidate.clf)(**{**candidate.clf.get_params(deep=False), "lam": 0.0})
    prefix = own_prefix(candidate.whole)
    own = {
        name: value
        for name, value in candidate.own.items()
        if role(clf, name[len(prefix) :]) != "mixture"
    }
    own[prefix + "lam"] = 0.0
    return Candidate(candidate.params, candidate.whole, own, candidate.steps, clf)


def _items(keys: Params, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple((name, keys[name]) for name in sorted(names) if name in keys)
