"""Distances by differences in float64, and the order of neighbours."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows

_GATHER = 1 << 16  # numbers gathered at a time: they stay in the L2 cache

#: Functions like :func:`measure`; one engine uses one of them for all distances.
Measure = Callable[[NDArray, NDArray, NDArray, NDArray], NDArray[np.float64]]


def measure(
    queries: NDArray, rows: NDArray, ids: NDArray, wanted: NDArray
) -> NDArray[np.float64]:
    """Squared Euclidean distances by differences; inf where they are not wanted.

    Of queries (n_queries, n_features) to the rows of the numbers ``ids``, which like
    ``wanted`` (bool) are (n_queries, n_candidates). The bits of a pair do not depend on
    what else is measured. The expansion ``|q|^2 - 2 q.x + |x|^2`` would lose all digits
    for near-duplicates.
    """
    out = np.full(ids.shape, np.inf)
    places = np.flatnonzero(wanted)
    numbers, whose = ids.reshape(-1)[places], places // ids.shape[1]
    queries = queries.astype(np.float64, copy=False)
    step = max(1, _GATHER // rows.shape[1])
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        difference = rows[numbers[part]].astype(np.float64, copy=False)
        difference -= queries[whose[part]]
        sqdist = np.einsum("ij,ij->i", difference, difference)
        out.reshape(-1)[places[part]] = sqdist
    return out


def sort_neighbors(
    distances: NDArray, ids: NDArray, k: int
) -> tuple[NDArray[np.float64], NDArray]:
    """The k first of each row of (n_queries, n_candidates) by (distance, index)."""
    order = np.argsort(distances, axis=1)
    starts = np.arange(0, distances.size, distances.shape[1])[:, None]
    # Only rows with ties need the second key, one place further than the k-th.
    first = np.take(distances, order[:, : k + 1] + starts)
    tied = (first[:, 1:] == first[:, :-1]).any(axis=1)
    if tied.any():
        order[tied] = np.lexsort((ids[tied], distances[tied]), axis=1)
    return first[:, :k], np.take(ids, order[:, :k] + starts)


def nearest(
    queries: NDArray, rows: IndexRows, ids: NDArray, wanted: NDArray, k: int
) -> tuple[NDArray[np.float64], NDArray]:
    """The k nearest of the wanted rows of each query, in order."""
    distances = measure(queries, rows.values, ids, wanted)
    if rows.rooted:
        np.sqrt(distances, out=distances)
    return sort_neighbors(distances, ids, k)
