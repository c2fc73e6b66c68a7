"""What a JointKNNClassifier is after a fit, and after rows have come or gone.

The kNN side keeps prepared rows, from which those that the base sees can be restored.
Where the two sides see different things, or data frames, the base's rows are kept too.
"""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse, vstack

from ..utils._sklearn import safe_indexing
from ._guided_base import GuidedBase
from ._inputs import TrainingInputs, check_more_rows, refitted
from ._soft_knn import SoftKNNClassifier


def rows_to_keep(inputs: TrainingInputs) -> Any:
    """The base's rows, if the kNN side's do not tell them; else None.

    Parameters
    ----------
    inputs : TrainingInputs

    Returns
    -------
    array-like of shape (n_samples, n_features) or None
    """
    same = inputs.base is inputs.neighbors and isinstance(inputs.base, np.ndarray)
    return None if same else inputs.base


def guided_state(
    joint: Any, inputs: TrainingInputs, knn: SoftKNNClassifier, guided: GuidedBase
) -> dict[str, Any]:
    """State of a JointKNNClassifier after a fit.

    Parameters
    ----------
    joint : JointKNNClassifier
        It is left as it is.
    inputs : TrainingInputs
    knn : SoftKNNClassifier
        Fitted to them.
    guided : GuidedBase
        Fitted with the weights that this gives.

    Returns
    -------
    dict
        For ``__dict__``.
    """
    more = dict(guided.attributes)
    if inputs.transformer is not None:
        more["knn_transformer_"] = inputs.transformer
    return refitted(joint, inputs, knn_=knn, base_rows_=rows_to_keep(inputs), **more)


def base_rows(joint: Any) -> Any:
    """Training rows of a fitted JointKNNClassifier as its base sees them.

    Parameters
    ----------
    joint : JointKNNClassifier

    Returns
    -------
    array-like of shape (n_samples, n_features)
    """
    kept = joint.base_rows_
    return joint.knn_.index_.rows.restore() if kept is None else kept


def votes_now(joint: Any) -> Any:
    """The kNN side with what the parameters say now of who votes, and how.

    Parameters
    ----------
    joint : JointKNNClassifier
        Fitted. It is left as it is.

    Returns
    -------
    SoftKNNClassifier
        A copy, which takes these parameters up when rows come or go; ``knn_`` itself
        where nothing has changed.
    """
    said = {"n_neighbors": joint.n_neighbors, "tau": joint.tau}
    if said.items() <= joint.knn_.get_params(deep=False).items():
        return joint.knn_
    return copy(joint.knn_).set_params(**said)


def with_more_votes(
    joint: Any, X: Any, y: Any, classes: Any, groups: Any
) -> dict[str, Any]:
    """State of a JointKNNClassifier with more rows that vote.

    Parameters
    ----------
    joint : JointKNNClassifier
        Fitted. It is left as it is.
    X : array-like of shape (n_more, n_features)
    y : array-like of shape (n_more,)
    classes : array-like of shape (n_classes,) or None
    groups : array-like of shape (n_more,) or None

    Returns
    -------
    dict
        For ``__dict__``.
    """
    transformer = getattr(joint, "knn_transformer_", None)
    more = check_more_rows(joint, X, y, classes, transformer)
    knn = copy(votes_now(joint))
    knn.partial_fit(more.neighbors, more.y, more.classes, groups)
    kept = joint.base_rows_
    kept = None if kept is None else _joined(kept, more.base)
    return {**vars(joint), "knn_": knn, "classes_": knn.classes_, "base_rows_": kept}


def without_votes(joint: Any, ids: Any) -> dict[str, Any]:
    """State of a JointKNNClassifier without some of the rows that vote.

    Parameters
    ----------
    joint : JointKNNClassifier
        Fitted. It is left as it is.
    ids : int or array-like of int

    Returns
    -------
    dict
        For ``__dict__``.
    """
    knn, kept = copy(votes_now(joint)).remove(ids), joint.base_rows_
    if kept is not None:
        left = np.flatnonzero(np.isin(joint.knn_.ids_, knn.ids_))
        kept = safe_indexing(kept, left)
    return {**vars(joint), "knn_": knn, "base_rows_": kept}


def spread(
    proba: NDArray[Any], known: NDArray[Any], classes: NDArray[Any]
) -> NDArray[Any]:
    """Probabilities with columns of zeros for classes that a base does not know.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_known)
    known : ndarray of shape (n_known,)
        Sorted.
    classes : ndarray of shape (n_classes,)
        Sorted, with all that are known.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)
    """
    if len(known) == len(classes):
        return proba
    out = np.zeros((len(proba), len(classes)), dtype=proba.dtype)
    out[:, np.searchsorted(classes, known)] = proba
    return out


def _joined(rows: Any, more: Any) -> Any:
    """Rows of one kind behind each other."""
    if issparse(rows) and issparse(more):
        return vstack([rows, more], format=rows.format)
    if isinstance(rows, list | tuple):
        return [*rows, *more]
    named = hasattr(rows, "columns")
    if issparse(rows) or issparse(more) or named and type(more) is not type(rows):
        raise ValueError(
            f"X is a {type(more).__name__}, and the rows that are there are in a "
            f"{type(rows).__name__}, to which no others can be added. Pass X as it was "
            "passed to fit."
        )
    if named:
        import importlib

        library = importlib.import_module(type(rows).__module__.partition(".")[0])
        if hasattr(rows, "iloc"):
            return library.concat([rows, more], ignore_index=True)
        return library.concat([rows, more])
    return np.concatenate([np.asarray(rows), np.asarray(more)])
