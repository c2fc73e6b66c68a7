"""The transformer of the kNN side, fitted with the groups that its classifier got."""

from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter


def fit_knn_transformer(transformer: Any, X: Any, y: Any, groups: Any) -> Any:
    """Fit a copy; it gets groups if its ``fit`` takes them.

    Whoever gives a classifier groups means all that learns from the rows, so that
    nothing has to be requested: only ``set_fit_request(groups=False)`` says no.

    Parameters
    ----------
    transformer : transformer
        A Pipeline hands groups to those of its steps that take them. Other containers
        get them where metadata routing is on and something inside requests them.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    groups : array-like of shape (n_samples,) or None

    Returns
    -------
    transformer
        The fitted copy.
    """
    fitted = clone(transformer)
    if groups is None:
        return fitted.fit(X, y)
    if not get_config()["enable_metadata_routing"]:
        return fitted.fit(X, y, **dict.fromkeys(_names(fitted), groups))
    _request(fitted)
    wanted = get_routing_for_object(fitted).consumes("fit", {"groups"})
    if not hasattr(fitted, "get_metadata_routing"):
        wanted = set(_names(fitted))
    return fitted.fit(X, y, **dict.fromkeys(wanted, groups))


class KNNSideTransformer(TransformerMixin, BaseEstimator):
    """A ``knn_transformer`` as a step of a Pipeline that ends in the votes.

    Parameters
    ----------
    transformer : transformer
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> "KNNSideTransformer":
        """Fit as the fit of a JointKNNClassifier does."""
        self.transformer_ = fit_knn_transformer(self.transformer, X, y, groups)
        return self

    def transform(self, X: Any) -> Any:
        """What the kNN side sees of the rows."""
        return self.transformer_.transform(X)


def _names(transformer: Any) -> list[str]:
    """Names under which ``fit`` takes groups without metadata routing."""
    if not isinstance(transformer, Pipeline):
        return ["groups"] if has_fit_parameter(transformer, "groups") else []
    return [
        f"{step}__{name}"
        for step, inner in transformer.steps
        if hasattr(inner, "fit")
        for name in _names(inner)
    ]


def _request(transformer: Any) -> None:
    """Let a transformer, or the steps of a Pipeline, ask for groups."""
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            _request(step)
    elif hasattr(transformer, "set_fit_request"):
        requests = transformer.get_metadata_routing().fit.requests
        if requests.get("groups", False) is not False:
            transformer.set_fit_request(groups=True)
