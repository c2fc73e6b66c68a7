"""Compiled choice of the nearest among those that a scan kept."""

import numpy as np

from ._exact import canonical_order
from ._fast_kernels import jit, select
from ._fast_sums import TILE_BYTES, measure

# Time of a distance in float32, in that of one in float64.
_ROUGHLY = 0.25


def rank(X, rows, k, Q, own, squares, slack, best, prepared, reservoir):
    """Distances of those in the reservoir that matter, in canonical order.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    rows : ScannedRows
    k : int
    Q : ndarray of shape (n_queries, n_features)
    own : ndarray of shape (n_queries,), int64
        One row of ``X`` for each query that is no neighbour of it, or -1.
    squares, slack : ndarrays of shape (n_queries,), float64
        Squared norms of shifted queries, and the bound of float64 rounding.
    best : ndarray of shape (n_queries,), float32
        At most the k-th best value of each query.
    prepared : Queries
    reservoir : tuple
        As the scan left it. Where it overflowed the first k, or k + 1 with ``own``,
        rows are ranked, which gives a bound.

    Returns
    -------
    sqdist : ndarray of shape (n_queries, k), float64
    ids : ndarray of shape (n_queries, k), intp
    measured : float
        How many distances were measured, in the time of those in float64.
    """
    counts = reservoir[2]
    lengths = np.where(counts < 0, k + (own >= 0), counts)
    used = lengths.max()
    values = reservoir[0][:, :used]
    candidates = rows.base_ids(reservoir[1][:, :used], lengths)
    wanted = np.zeros(candidates.shape, dtype=bool)
    sqdist = np.empty(candidates.shape)
    kept = candidates, lengths, own, wanted, sqdist
    if not rows.certain:
        # Scores are rough and many are kept.
        measured = _wanted_in_float32(Q, X, k, *kept)
        measure(Q, X, candidates, wanted, sqdist)
    else:
        # The k most promising ones tell which of the others can be nearer.
        measured = _promising(values, counts, best, *kept)
        measure(Q, X, candidates, wanted, sqdist)
        least = _least(sqdist, wanted, squares) - slack
        scores = prepared.factor, prepared.margin, prepared.offset, rows.unit
        measured += _possible(values, candidates, counts, own, scores, least, wanted)
        measure(Q, X, candidates, wanted, sqdist)
    return *canonical_order(*_nearest(sqdist, candidates, lengths, k)), measured


def _wanted_in_float32(Q, X, k, ids, lengths, own, wanted, sqdist):
    """Want all that may be among the k nearest by their distances in float32."""
    rough = np.empty(ids.shape, dtype=np.float32)
    _measure_roughly(Q, X, ids, lengths, rough, max(1, TILE_BYTES // X[:1].nbytes))
    unit, tiny = 2.0**-24, float(np.finfo(np.float32).tiny)
    # Differences, squares and sums in any order, of terms that are not negative.
    relative, lost = 1.01 * (Q.shape[1] + 4) * unit, 4 * Q.shape[1] * tiny
    total = _within_rounding(
        rough, k, relative, lost, ids, lengths, own, wanted, sqdist
    )
    return total + _ROUGHLY * lengths.sum()


@jit(fastmath={"reassoc", "contract"})
def _measure_roughly(queries, base, ids, lengths, sqdist, tile):
    place = np.zeros(len(ids), dtype=np.int64)
    for stop in range(tile, len(base) + tile, tile):
        for query in range(len(ids)):
            j = place[query]
            while j < lengths[query] and ids[query, j] < stop:
                row, total = ids[query, j], np.float32(0)
                for column in range(base.shape[1]):
                    difference = base[row, column] - queries[query, column]
                    total += difference * difference
                sqdist[query, j] = total
                j += 1
            place[query] = j


@jit
def _within_rounding(rough, k, relative, lost, ids, lengths, own, wanted, sqdist):
    total = 0
    for row in range(len(rough)):
        length = lengths[row]
        for j in range(length):
            if ids[row, j] == own[row]:
                rough[row, j] = np.inf
        last = -np.float64(select(-rough[row, :length], k))
        # Beyond float32 lies infinity.
        last = min(last * (1 + relative) + lost, 3e38)
        for j in range(length):
            near = np.float64(rough[row, j]) * (1 - relative) - lost <= last
            wanted[row, j] = (near or last == 3e38) and ids[row, j] != own[row]
            sqdist[row, j] = np.inf
            total += wanted[row, j]
    return total


@jit
def _promising(values, counts, best, ids, lengths, own, wanted, sqdist):
    total = 0
    for row in range(len(counts)):
        for j in range(lengths[row]):
            near = counts[row] < 0 or values[row, j] >= best[row]
            wanted[row, j] = near and ids[row, j] != own[row]
            sqdist[row, j] = np.inf
            total += wanted[row, j]
    return total


@jit
def _least(sqdist, wanted, squares):
    """Scores of the farthest ones measured."""
    least = np.empty(len(sqdist))
    for row in range(len(sqdist)):
        farthest = 0.0
        for j in range(sqdist.shape[1]):
            if wanted[row, j]:
                farthest = max(farthest, sqdist[row, j])
        least[row] = (squares[row] - farthest) / 2
    return least


@jit
def _possible(values, ids, counts, own, scores, least, wanted):
    """Want what is not measured yet and may be nearer."""
    factor, margin, offset, unit = scores
    total = 0
    for row in range(len(counts)):
        if counts[row] < 0:
            wanted[row] = False
        for j in range(counts[row]):
            value = np.float64(values[row, j])
            ceiling = value + unit * abs(value) + margin[row]
            possible = factor[row] * ceiling + offset >= least[row]
            wanted[row, j] = possible and not wanted[row, j] and ids[row, j] != own[row]
            total += wanted[row, j]
    return total


@jit
def _nearest(sqdist, ids, lengths, k):
    """The k first of each row by (distance, index), in no order; ids ascend."""
    n_rows = len(sqdist)
    nearest, rows = np.empty((n_rows, k)), np.empty((n_rows, k), dtype=np.intp)
    for row in range(n_rows):
        last = -select(-sqdist[row, : lengths[row]], k)
        equal = k
        for j in range(lengths[row]):
            equal -= sqdist[row, j] < last
        kept = 0
        for j in range(lengths[row]):
            near = sqdist[row, j] < last
            if sqdist[row, j] == last and equal > 0:
                near, equal = True, equal - 1
            if near:
                nearest[row, kept], rows[row, kept] = sqdist[row, j], ids[row, j]
                kept += 1
    return nearest, rows
