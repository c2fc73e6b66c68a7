"""The base classifier: made from parameters, fitted with the weights of the rows."""

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from ..utils._blas import single_threaded_scipy
from ..utils._warn import warn
from ._array_api import array_api_device, fit_on_device
from ._convergence import convergence_failures
from ._mixture import check_base, without_proba

# scikit-learn's own tolerance, 1e-4, stops far from the minimum.
_SETTINGS = {"max_iter": 1000, "tol": 1e-6}
_TAKEN = ("C", "fit_intercept", "class_weight", "max_iter", "tol")


@dataclass(frozen=True)
class BaseRecipe:
    """An unfitted base, and how it is fitted.

    Attributes
    ----------
    estimator : classifier
        Never fitted itself.
    device : None, str or torch.device
        For fits on an accelerator; see :func:`array_api_device`.
    """

    estimator: Any
    device: Any


def make_base(classifier: Any) -> BaseRecipe:
    """The unfitted base of a classifier with one.

    Parameters
    ----------
    classifier : KNNWeightedLogisticRegression or JointKNNClassifier

    Returns
    -------
    BaseRecipe
        Of a clone of ``estimator``, or of a LogisticRegression.
    """
    own = getattr(classifier, "estimator", None)
    if own is None:
        given = {n: getattr(classifier, n) for n in _TAKEN if hasattr(classifier, n)}
        default = LogisticRegression(**{**_SETTINGS, **given})
        return BaseRecipe(default, classifier.device)
    for name, default in (("C", 1.0), ("class_weight", None)):
        value = getattr(classifier, name)
        if value != default:
            warn(
                # Without the estimator's parameters: a search over them says it once.
                f"{name}={value!r} is a parameter of the default base and changes "
                f"nothing beside estimator={type(own).__name__}(...). Set it on "
                "estimator, or leave estimator=None."
            )
    # The methods of some, like StackingClassifier, depend on what they are fitted on.
    if not (hasattr(own, "predict_proba") or hasattr(type(own), "predict_proba")):
        raise without_proba(own)
    base = clone(own)
    if classifier.random_state is not None:
        random = check_random_state(classifier.random_state)
        seeds = {
            name: random.randint(np.iinfo(np.int32).max)
            for name in sorted(base.get_params())
            if name == "random_state" or name.endswith("__random_state")
        }
        base.set_params(**seeds)
    return BaseRecipe(base, classifier.device)


def fit_base(
    recipe: BaseRecipe,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    classes: NDArray[Any],
) -> tuple[Any, list[str]]:
    """Fit a base and check what came of it.

    Parameters
    ----------
    recipe : BaseRecipe
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        None fits without weights.
    classes : ndarray of shape (n_classes,)
        What is in ``y``, sorted.

    Returns
    -------
    base : classifier
        Fitted.
    failures : list of str
        Reports of solvers that did not converge.
    """
    base = clone(recipe.estimator)
    device = array_api_device(base, X, recipe.device)
    with convergence_failures() as failures, _solver_threads(base):
        if device is None or not fit_on_device(base, X, y, sample_weight, device):
            _fit_weighted(base, X, y, sample_weight)
    check_base(base, classes)
    return base, failures


def _solver_threads(base: Any) -> AbstractContextManager[None]:
    """How many threads scipy takes while a base is fitted.

    The solver of LogisticRegression spends its time in numpy's products, and loses more
    by scipy's threads than it wins. What decomposes matrices by scipy needs them.
    """
    while isinstance(base, Pipeline):
        base = base.steps[-1][1]
    if isinstance(base, LogisticRegression) and base.solver == "lbfgs":
        return single_threaded_scipy()
    return nullcontext()


def _fit_weighted(
    base: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> None:
    """Weights go to the last step of Pipelines, whatever the metadata routing."""
    if sample_weight is None:
        base.fit(X, y)
        return
    path, last = [], base
    while isinstance(last, Pipeline):
        name, last = last.steps[-1]
        path.append(name)
    if not _takes_weights(last):
        raise ValueError(
            f"estimator={last!r} takes no sample_weight in fit, so training rows "
            "cannot be weighted. Use alpha=0 with modulation='nll', or a classifier "
            "with sample weights such as LogisticRegression or RandomForestClassifier."
        )
    try:
        # The weights are ours, so where they belong is known without routing.
        with config_context(enable_metadata_routing=False):
            base.fit(X, y, **{"__".join([*path, "sample_weight"]): sample_weight})
    except ValueError as error:
        # Raised at the head of fit by those that hand on nothing without routing.
        if "enable_metadata_routing=True" not in str(error):
            raise
        if not get_config()["enable_metadata_routing"]:
            raise ValueError(
                f"estimator={last!r} hands sample_weight on to the classifier in it "
                "by metadata routing alone. Call sklearn.set_config("
                "enable_metadata_routing=True) and set_fit_request(sample_weight=True) "
                "on that classifier, or use alpha=0 with modulation='nll'."
            ) from None
        base.fit(X, y, sample_weight=sample_weight)


def _takes_weights(estimator: Any) -> bool:
    parameters = inspect.signature(estimator.fit).parameters
    return "sample_weight" in parameters or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    )
