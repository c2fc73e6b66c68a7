"""Compiled loops of the fast engine: scan of scores, and distances.

A *candidate buffer* is a tuple of arrays (values, ids, counts, kept, thresholds), of
shapes (n_rows, capacity) twice and (n_rows,): for each query the scores and rows that
may still be among its k best, how many there are, how many there were when the others
were last dropped, and the score that further ones must reach. A query that
overflowed has the count -1 - n.
"""

import numpy as np
from numpy.typing import NDArray

from .._jit import jit

#: Scores looked at together: j belongs to group j % _GROUPS, of eight members.
TILE, _GROUPS = 512, 64
# Rows of the index measured at a time, in bytes: they stay in the L2 cache for all
# queries of a block.
_TILE_BYTES = 1 << 18


@jit
def scan(products, half, first, tolerance, unit, k, buffer):  # type: ignore
    """Add to the candidate buffer what reaches the thresholds in a tile of products.

    Nearly all scores are far, so they are looked at in groups.

    Parameters
    ----------
    products : ndarray of shape (n_rows, n_columns), int16 or float32
        int16 holds the bits of bfloat16.
    half : ndarray of shape (n_columns,), float32, or None
        Subtracted from products in float32.
    first : int
        Row of the index that is the first column.
    tolerance : ndarray of shape (n_rows,), float64
        How far below the k-th best a score may be to be kept, apart from rounding.
    unit : float
        Relative rounding of a score.
    k : int
    buffer : tuple
        Changed in place.
    """
    values, ids, counts, kept, thresholds = buffer
    scores = np.empty(TILE, dtype=np.float32)
    bits = scores.view(np.int32)
    maxima = np.empty(_GROUPS, dtype=np.float32)
    near = np.empty(_GROUPS, dtype=np.int64)
    for row in range(len(products)):
        for left in range(0, products.shape[1], TILE):
            if counts[row] < 0:
                break
            width = min(TILE, products.shape[1] - left)
            if half is None:  # the compiler leaves out the other branch
                for j in range(width):
                    bits[j] = np.int32(products[row, left + j]) << 16
            else:
                for j in range(width):
                    scores[j] = products[row, left + j] - half[left + j]
            scores[width:] = -np.inf
            maxima[:] = scores[:_GROUPS]
            for start in range(_GROUPS, TILE, _GROUPS):
                for j in range(_GROUPS):
                    score = scores[start + j]
                    maxima[j] = score if score > maxima[j] else maxima[j]
            n_near, threshold = 0, thresholds[row]
            for j in range(_GROUPS):
                near[n_near] = j
                n_near += maxima[j] >= threshold
            if n_near == 0:
                continue
            if counts[row] + TILE > values.shape[1]:
                counts[row] = -1 - counts[row]
                break
            count = counts[row]
            # Members in turn, so that ids ascend; written always, kept where near.
            for start in range(0, TILE, _GROUPS):
                for i in range(n_near):
                    column = start + near[i]
                    values[row, count] = scores[column]
                    ids[row, count] = first + left + column
                    count += scores[column] >= threshold
            counts[row] = count
            full = count + TILE > values.shape[1]
            if count >= k and (full or count > kept[row] + k // 2 + 64):
                _drop(buffer, row, tolerance[row], unit, k)


@jit
def drop(tolerance, unit, k, buffer):  # type: ignore
    """Raise the thresholds and drop what does not reach them; as in :func:`scan`."""
    for row in range(len(tolerance)):
        if buffer[2][row] >= k:
            _drop(buffer, row, tolerance[row], unit, k)


@jit
def _drop(buffer, row, tolerance, unit, k):  # type: ignore
    values, ids, counts, kept, thresholds = buffer
    best = np.float64(select(values[row, : counts[row]].copy(), k))
    # What is below this cannot be among the k best. A step down for the rounding to
    # float32.
    least = best - unit * abs(best) - tolerance
    least = least / (1 + unit) if least >= 0 else least / (1 - unit)
    least = max(least - abs(least) * 2.0**-22 - 1e-37, -3e38)
    threshold = max(thresholds[row], np.float32(least))
    count = 0
    for j in range(counts[row]):
        values[row, count], ids[row, count] = values[row, j], ids[row, j]
        count += values[row, count] >= threshold
    counts[row], kept[row], thresholds[row] = count, count, threshold


@jit
def select(a, k):  # type: ignore
    """The k-th largest element; rearranges ``a``, which holds no NaN."""
    spare = np.empty_like(a)
    while len(a) > 1:
        x, y, z = a[0], a[len(a) // 2], a[-1]
        pivot = max(min(x, y), min(max(x, y), z))
        above, below = 0, len(a)
        # Written on either side, kept where it belongs: no branch to mispredict.
        for value in a:
            spare[above] = value
            spare[below - 1] = value
            above += value > pivot
            below -= value < pivot
        if k <= above:
            a, spare = spare[:above], a[:above]
        elif k <= below:
            return pivot
        else:
            k -= below
            a, spare = spare[below:], a[below:]
    return a[0]


def compiled_measure(
    queries: NDArray, rows: NDArray, ids: NDArray, wanted: NDArray
) -> NDArray[np.float64]:
    """Squared distances by differences; see :data:`Measure`.

    Ids that ascend read the rows from front to back, once for all queries.
    """
    out = np.full(ids.shape, np.inf)
    tile = max(1, _TILE_BYTES // max(1, rows[:1].nbytes))
    _measure(queries.astype(np.float64), rows, ids, wanted, tile, out)
    return out


@jit(fastmath={"reassoc", "contract"})
def _measure(queries, rows, ids, wanted, tile, out):  # type: ignore
    n_queries, n_candidates = ids.shape
    place = np.zeros(n_queries, dtype=np.int64)
    for stop in range(tile, len(rows) + tile, tile):
        for query in range(n_queries):
            j = place[query]
            while j < n_candidates and (ids[query, j] < stop or not wanted[query, j]):
                if wanted[query, j]:
                    row, total = ids[query, j], 0.0
                    for column in range(rows.shape[1]):
                        difference = (
                            np.float64(rows[row, column]) - queries[query, column]
                        )
                        total += difference * difference
                    out[query, j] = total
                j += 1
            place[query] = j
