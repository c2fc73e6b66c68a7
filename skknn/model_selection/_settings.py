"""Parameters of a grid by what they change, and Pipelines taken apart."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

from ..classifiers import (
    MIXTURE_PARAMETERS,
    SEARCH_PARAMETERS,
    VOTE_PARAMETERS,
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)
from ..utils._module_key import SHARED, module_key
from ..utils._parameters import canonical_name

CLASSIFIERS = (SoftKNNClassifier, KNNWeightedLogisticRegression, JointKNNClassifier)

_SCALARS = (type(None), bool, int, float, str, bytes)
# Keys of torch modules, which take a second for large ones. Of one search: in between,
# users may change a module.
_MODULE_KEYS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


@dataclass(frozen=True)
class Step:
    """A transformer before the classifier.

    ``memory`` is that of the Pipeline it comes from, ``key`` equal for equal settings.
    """

    name: str
    transformer: Any
    memory: Any
    key: Any


def split_pipeline(estimator: Any) -> tuple[list[Step], Any]:
    """Flatten nested Pipelines.

    Returns
    -------
    steps : list of Step
    classifier : estimator
        The last step of all.

    Raises
    ------
    ValueError
        For another classifier, and for Pipelines that cannot be shared.
    """
    steps, last = [], estimator
    while isinstance(last, Pipeline):
        kind = type(last)
        if kind is not Pipeline:
            raise ValueError(
                f"NeighborSearchCV takes no {kind.__module__}.{kind.__qualname__}, "
                "whose steps may add or drop rows as they are fitted. Use GridSearchCV "
                "for it, or sklearn.pipeline.Pipeline."
            )
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


def own_prefix(estimator: Any) -> str:
    """What stands before the final classifier's own parameter names."""
    prefix = ""
    while type(estimator) is Pipeline:
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix


def role(estimator: Any, name: str) -> str:
    """What a parameter changes: "neighbors", "base" or "mixture".

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline that ends in one
    name : str
        As ``estimator.set_params`` takes it.

    Returns
    -------
    str
    """
    head, _, tail = name.partition("__")
    if type(estimator) is Pipeline:
        last_name, last = estimator.steps[-1]
        return role(last, tail) if head == last_name and tail else "neighbors"
    head = canonical_name(estimator, head)
    feeds_votes = SEARCH_PARAMETERS | VOTE_PARAMETERS | {"knn_transformer"}
    if head in feeds_votes or isinstance(estimator, SoftKNNClassifier):
        return "neighbors"
    return "mixture" if head in MIXTURE_PARAMETERS else "base"


def is_path(value: Any) -> bool:
    """Whether a value of lambda asks for the best number."""
    return isinstance(value, str) and value == "path"


def setting_key(value: Any) -> Any:
    """Something hashable that is equal for settings with equal effect.

    A torch module is what it consists of, so that its copies are equal; what cannot be
    told from its content is equal to itself alone.

    Parameters
    ----------
    value : object
    """
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
    if not isinstance(value, SHARED):
        try:
            key = _module_key(value)
            return type(value).__name__, joblib.hash(value) if key is None else key
        except Exception:
            # What cannot be pickled is equal to itself alone.
            pass
    return "id", id(value)


def forget_modules() -> None:
    """Begin a search: modules may have changed since the one before."""
    _MODULE_KEYS.clear()


def _module_key(value: Any) -> str | None:
    """:func:`module_key`, once a module and search."""
    try:
        return _MODULE_KEYS[value]
    except (KeyError, TypeError):  # not yet, or nothing that can be kept
        key = module_key(value)
    if key is not None:
        _MODULE_KEYS[value] = key
    return key
