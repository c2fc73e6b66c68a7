"""The last resort of an exact search: queries whose candidates prove nothing.

Queries come here when more rows than expected lie within rounding of the k-th
neighbour: many copies of one row across the k boundary, or sets so tight that no
product can tell their rows apart.
"""

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._candidates import QueryBlock
from ._distances import Measure, sort_neighbors

# Bytes of float64 rows, and of float64 scores, handled at a time.
_TILE_BYTES = 1 << 23
#: Queries to be handled at a time.
EXHAUSTIVE_QUERIES = 64


def exhaustive_search(
    queries: QueryBlock, rows: IndexRows, k: int, bound: NDArray, measure: Measure
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Exact neighbours from one scan of the index in float64.

    Parameters
    ----------
    queries : QueryBlock
    rows : IndexRows
    k : int
    bound : ndarray of shape (n_queries,), float64
        No less than the distance of the k-th neighbour.
    measure : callable
        See :data:`Measure`.

    Returns
    -------
    distances : ndarray of shape (n_queries, k), float64
    ids : ndarray of shape (n_queries, k), intp
    """
    n_samples = len(rows)
    sqdist = bound**2 if rows.rooted else bound
    least = (queries.squared_norms - sqdist) / 2 - queries.tolerance
    best = np.full((len(queries), k), np.inf)
    best_ids = np.full((len(queries), k), n_samples)
    width = max(256, _TILE_BYTES // (8 * max(rows.n_features, len(queries))))
    for start in range(0, n_samples, width):
        tile = rows.values[start : start + width]
        scores = queries.shifted @ rows.shifted(tile).T
        scores -= rows.half_squared_norms[start : start + width]
        # Written so that NaN from overflow counts as near.
        near = ~(scores < least[:, None])
        columns = np.arange(start, start + len(tile))
        if queries.exclude is not None:
            near &= columns != queries.exclude[:, None]
        for row in np.flatnonzero(near.any(axis=1)):
            hit = np.flatnonzero(near[row])
            found = measure(
                queries.values[row : row + 1],
                tile,
                hit[None],
                np.ones((1, len(hit)), dtype=bool),
            )
            if rows.rooted:
                np.sqrt(found, out=found)
            distances = np.append(best[row], found)[None]
            ids = np.append(best_ids[row], columns[hit])[None]
            # Overflow is told apart from empty places by the row number.
            np.nan_to_num(distances, copy=False, nan=np.inf, posinf=np.inf)
            (best[row],), (best_ids[row],) = sort_neighbors(distances, ids, k)
    return best, best_ids
