"""Neighbours read from sparse graphs, as made by ``KNeighborsTransformer``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from ..neighbors import Neighbors
from ._groups import Groups


def check_graph(X: Any, n_samples: int | None = None) -> Any:
    """A graph with ``n_samples`` columns (or as many as rows), or an error."""
    if not issparse(X):
        raise ValueError(
            "algorithm='precomputed' needs a sparse graph of neighbours as X, got "
            f"{type(X).__name__}. Make it with sklearn.neighbors.KNeighborsTransformer"
            "(mode='distance'), or choose another algorithm to search in feature rows."
        )
    graph: Any = X
    expected = graph.shape[0] if n_samples is None else n_samples
    if graph.shape[1] != expected:
        raise ValueError(
            f"algorithm='precomputed': the graph has shape {graph.shape}, but needs "
            f"one column for each of the {expected} training rows. Fit on the graph "
            "of shape (n, n) and predict on one of shape (n_queries, n), both from "
            "the same KNeighborsTransformer."
        )
    graph = graph.tocsr()
    bad = ~(graph.data >= 0) | ~np.isfinite(graph.data)
    if bad.any():
        place = np.flatnonzero(bad)[0]
        row = np.searchsorted(graph.indptr, place, side="right") - 1
        raise ValueError(
            f"algorithm='precomputed': row {row} of the graph holds the distance "
            f"{graph.data[place]}; distances must be finite and at least 0."
        )
    return graph


def graph_neighbors(
    graph: Any,
    k: int,
    own: NDArray[np.intp] | None = None,
    groups: Groups | None = None,
) -> Neighbors:
    """The k nearest of each row of a graph, sorted by (distance, index).

    Stored entries are neighbours, explicit zeros too; if the rows are training rows
    ``own``, neither that column nor those of its group are.
    """
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    ids, distances = graph.indices, graph.data.astype(np.float64)
    if own is not None:
        others = ids != own[rows]
        if groups is not None:
            others = ~groups.together(own[rows], ids[:, None])[:, 0]
        rows, ids, distances = rows[others], ids[others], distances[others]
    counts = np.bincount(rows, minlength=graph.shape[0])
    short = np.flatnonzero(counts < k)
    if len(short):
        first, needed, apart = short[0], k, ""
        if own is not None:
            first, apart = own[first], " apart from itself"
        if groups is not None:
            needed, apart = k + groups.largest - 1, " outside its group"
        raise ValueError(
            f"algorithm='precomputed': row {first} of the graph has "
            f"{counts[short[0]]} neighbours{apart}, but {k} are needed; {len(short)} "
            f"of {len(counts)} rows have too few. Use KNeighborsTransformer("
            f"n_neighbors={needed}, mode='distance') or more neighbours, or a smaller "
            "n_neighbors here."
        )
    order = np.lexsort((ids, distances, rows))
    starts = np.cumsum(counts) - counts
    taken = order[starts[:, None] + np.arange(k)]
    return distances[taken], ids[taken].astype(np.intp)
