"""Groups on their way from a search to what it fits."""

from collections.abc import Mapping
from typing import Any

from sklearn import config_context, get_config
from sklearn.metrics import check_scoring
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from ..classifiers import JointKNNClassifier, KNNSideTransformer
from ._settings import own_prefix, split_pipeline

_FIT = MethodMapping().add(caller="fit", callee="fit")


def groups_of_classifier(estimator: Any, cv: Any, routed: Any) -> Any:
    """What the final classifier gets as ``groups`` of the parameters of a search.

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline that ends in one
    cv : int, splitter, iterable, None or "loo"
    routed : Bunch
        What ``estimator``, ``splitter`` and ``scorer`` are to get.

    Returns
    -------
    array-like of shape (n_samples,) or None

    Raises
    ------
    ValueError
        For parameters that the shared search knows no way for.
    """
    name, fit_params = f"{own_prefix(estimator)}groups", routed.estimator.fit
    if not get_config()["enable_metadata_routing"]:
        if isinstance(cv, str) and not fit_params:
            # There is no splitter that they could be meant for.
            return routed.splitter.split.get("groups")
        if set(fit_params) - {name}:
            raise ValueError(
                f"NeighborSearchCV passes {name} on to fit and nothing else, got "
                f"{sorted(fit_params)}. Use GridSearchCV."
            )
        return fit_params.get(name)
    final = split_pipeline(estimator)[1]
    if final is estimator:
        return fit_params.get("groups")
    router = MetadataRouter(owner=estimator).add(final=final, method_mapping=_FIT)
    routed = router.route_params(params=dict(fit_params), caller="fit")
    return routed.final.fit.get("groups")


def params_of_whole(
    whole: Any, groups: Any, fit_params: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters for the ``fit`` of a whole estimator.

    Parameters
    ----------
    whole : estimator
        As a search fits it: its structure may be another than that of the estimator
        that the search was given.
    groups : array-like of shape (n_samples,) or None
        For the final classifier.
    fit_params : mapping str -> array-like
        What metadata routing sends to the estimator.

    Returns
    -------
    dict
    """
    prefix = own_prefix(whole)
    if prefix and get_config()["enable_metadata_routing"]:
        return dict(fit_params)
    if groups is None:
        return {}
    sides = [
        f"{name}__groups"
        for name, step in getattr(whole, "steps", [])
        if isinstance(step, KNNSideTransformer)
    ]
    return dict.fromkeys([f"{prefix}groups", *sides], groups)


def params_of_step(pipe: Any, fit_params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters of a fit that a Pipeline of one step asks for.

    Parameters
    ----------
    pipe : Pipeline
    fit_params : mapping str -> array-like

    Returns
    -------
    dict
    """
    if not fit_params or not get_config()["enable_metadata_routing"]:
        return {}
    names = pipe.get_metadata_routing().consumes("fit_transform", set(fit_params))
    return {name: fit_params[name] for name in names}


def joint_router(search: Any) -> MetadataRouter:
    """Who wants which metadata that a JointKNNClassifierCV is given."""
    scorer = check_scoring(JointKNNClassifier(), search.scoring or "accuracy")
    to_scorer = MethodMapping().add(caller="fit", callee="score")
    to_scorer.add(caller="score", callee="score")
    to_cv = MethodMapping().add(caller="fit", callee="split")
    with config_context(enable_metadata_routing=True):
        # Its own classifier, so that nobody else could ask.
        joint = JointKNNClassifier().set_fit_request(groups=True)
    router = MetadataRouter(search).add(scorer=scorer, method_mapping=to_scorer)
    router.add(splitter=search.cv, method_mapping=to_cv)
    return router.add(classifier=joint, method_mapping=_FIT)


def request_groups(estimator: Any, like: Any) -> Any:
    """Let an estimator ask for groups as another one does.

    Parameters
    ----------
    estimator, like : classifier of this package

    Returns
    -------
    estimator
        The first one.
    """
    if get_config()["enable_metadata_routing"]:
        wish = like.get_metadata_routing().fit.requests.get("groups")
        estimator.set_fit_request(groups=wish)
    return estimator
