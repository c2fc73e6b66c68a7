"""Rows that come and go: what a fitted SoftKNNClassifier is after that.

What was learnt from the rows of ``fit`` (the mean, ``tau="scale"``) stays as it is, or
is learnt anew from rows that are restored from the prepared ones.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ..neighbors import APPROXIMATE
from ._inputs import MoreRows
from ._labelled_index import LabelledIndex, resolve_n_neighbors
from ._temperature import resolve_tau


def with_more_rows(
    knn: Any, more: MoreRows, groups: Any, refit_statistics: bool
) -> dict[str, Any]:
    """State of a SoftKNNClassifier with more rows.

    Parameters
    ----------
    knn : SoftKNNClassifier
        Fitted. It is left as it is.
    more : MoreRows
    groups : array-like of shape (n_more,) or None
    refit_statistics : bool

    Returns
    -------
    dict
        For ``__dict__``.
    """
    index = knn.index_
    renumbered = np.searchsorted(more.classes, knn.classes_)[index.codes]
    with np.errstate(over="ignore", invalid="ignore"):  # an error says so below
        rows = index.rows.append(more.neighbors, groups)
    if not np.isfinite(rows.rows_.half_squared_norms[index.n_samples :]).all():
        raise ValueError(
            "X holds numbers too large for squared distances in "
            f"{rows.rows_.values.dtype}, the dtype of the rows that are there. Scale X "
            "as those were, or fit again."
        )
    index = replace(
        index,
        rows=rows,
        codes=np.concatenate([renumbered, more.codes]),
        n_classes=len(more.classes),
        ids=index.ids.more(len(more.codes)),
    )
    return {**_state(knn, index, refit_statistics), "classes_": more.classes}


def without_rows(knn: Any, ids: Any, refit_statistics: bool) -> dict[str, Any]:
    """State of a SoftKNNClassifier without some of its rows.

    Parameters
    ----------
    knn : SoftKNNClassifier
        Fitted. It is left as it is.
    ids : int or array-like of int
    refit_statistics : bool

    Returns
    -------
    dict
        For ``__dict__``.
    """
    index = knn.index_
    left, places = index.ids.without(ids)
    all_stay = len(places) == index.n_samples
    rows = index.rows if all_stay else index.rows.take(places)
    index = replace(index, rows=rows, codes=index.codes[places], ids=left)
    return _state(knn, index, refit_statistics)


def fitted_attributes(
    index: LabelledIndex, n_neighbors: int, tau: float
) -> dict[str, Any]:
    """Attributes of a SoftKNNClassifier that follow from its training rows.

    Parameters
    ----------
    index : LabelledIndex
    n_neighbors : int
        Voting rows.
    tau : float

    Returns
    -------
    dict
    """
    rows = index.rows
    found: dict[str, Any] = {
        "index_": index,
        "n_samples_fit_": index.n_samples,
        "n_neighbors_": n_neighbors,
        "tau_": tau,
        "mean_": rows.preprocessor_.mean_,
        "algorithm_": rows.algorithm_,
    }
    if rows.algorithm_ in APPROXIMATE:
        found["recall_"] = rows.recall(n_neighbors)
    return found


def _state(knn: Any, index: LabelledIndex, refit_statistics: bool) -> dict[str, Any]:
    if refit_statistics:
        index = replace(index, rows=index.rows.refit(), scale=None)
    tau = knn.tau
    if isinstance(tau, str):
        tau = index.scale
        if tau is None:  # or not asked for so far
            tau = resolve_tau(knn.tau, None, index.rows)
            index = replace(index, scale=tau)
    k = resolve_n_neighbors(knn.n_neighbors, index.n_samples, index.n_present)
    return {**vars(knn), **fitted_attributes(index, k, tau)}
