"""Compiled loops of the fast engine: scan of scores, and distances.

A *candidate buffer* holds arrays (values, ids, counts, kept, thresholds): for each
query the scores and rows that may be among its k best, (n_rows, capacity), how many
there are, how many were left when others were last dropped, and the score that further
ones must reach. A query that overflowed has the count -1 - n.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...utils._jit import jit

#: Scores looked at together: j belongs to group j % _GROUPS, of eight members.
TILE, _GROUPS = 512, 64
# Rows of the index measured at a time, in bytes: they stay in the L2 cache for all
# queries of a block.
_TILE_BYTES = 1 << 20


@jit
def scan(
    products: NDArray,
    half: NDArray[np.float32] | None,
    first: int,
    tolerance: NDArray,
    unit: float,
    k: int,
    buffer: tuple,
) -> None:
    """Add to the candidate buffer what reaches the thresholds in a tile of products.

    Nearly all scores are far, so they are looked at in groups. They are products
    (n_rows, n_columns) less ``half`` (n_columns,), or the bits of bfloat16 (int16) if
    ``half`` is None, the first column of row ``first`` of the index. Kept is what is up
    to ``tolerance`` (n_rows,) below the k-th best, apart from rounding by ``unit``.
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
            part = products[row, left : left + TILE]
            if half is None:  # the compiler leaves out the other branch
                for j in range(len(part)):
                    bits[j] = np.int32(part[j]) << np.int32(16)
            else:
                below = half[left : left + TILE]
                for j in range(len(part)):
                    scores[j] = part[j] - below[j]
            scores[len(part) :] = -np.inf
            for j in range(_GROUPS):
                a, b = max(scores[j], scores[j + 64]), scores[j + 128]
                c, d = max(scores[j + 192], scores[j + 256]), scores[j + 320]
                e = max(scores[j + 384], scores[j + 448])
                maxima[j] = max(max(max(a, b), max(c, d)), e)
            if counts[row] == 0 and 2 * k < _GROUPS and len(part) == TILE:
                best = nearly_best(maxima, maxima.min(), k)
                thresholds[row] = _least(best, tolerance[row], unit)
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
            # Written always, kept where near: no branch to mispredict.
            for i in range(n_near):
                for member in range(TILE // _GROUPS):
                    column = near[i] + member * _GROUPS
                    values[row, count] = scores[column]
                    ids[row, count] = first + left + column
                    count += scores[column] >= threshold
            counts[row] = count
            full = count + TILE > values.shape[1]
            if count >= k and (full or count > kept[row] + k // 2 + 32):
                _drop(buffer, row, tolerance[row], unit, k)


@jit
def _drop(buffer: tuple, row: int, tolerance: float, unit: float, k: int) -> None:
    values, ids, counts, kept, thresholds = buffer
    some = values[row, : counts[row]]
    low = thresholds[row] if thresholds[row] > -3e38 else some.min()
    best = nearly_best(some, low, k)
    threshold = max(thresholds[row], _least(best, tolerance, unit))
    count = 0
    for j in range(counts[row]):
        values[row, count], ids[row, count] = values[row, j], ids[row, j]
        count += values[row, count] >= threshold
    counts[row], kept[row], thresholds[row] = count, count, threshold


@jit
def _least(best: np.floating, tolerance: float, unit: float) -> np.float32:
    """What is below this is none of the k best, if ``best`` is reached by k."""
    best = np.float64(best)
    least = best - unit * abs(best) - tolerance
    least = least / (1 + unit) if least >= 0 else least / (1 - unit)
    # A step down for rounding to float32.
    return np.float32(max(least - abs(least) * 2.0**-22 - 1e-37, -3e38))


@jit
def nearly_best(values: NDArray, low: np.float32, k: int) -> np.float32:
    """A number that k values, and hardly more, reach; all are at least ``low``."""
    step = max(abs(low) / np.float32(64), np.float32(1e-30))
    high = low + step
    while _count(values, high) >= k:
        low, step = high, 2 * step
        high = low + step
    for _ in range(16):
        middle = low + (high - low) / 2
        count = _count(values, middle)
        low, high = (low, middle) if count < k else (middle, high)
        if k <= count <= k + k // 8:
            break
    return low


@jit
def _count(values: NDArray, least: float) -> np.int32:
    count = np.int32(0)
    for j in range(len(values)):
        count += np.int32(values[j] >= least)
    return count


def compiled_measure(
    queries: NDArray, rows: NDArray, ids: NDArray, wanted: NDArray
) -> NDArray[np.float64]:
    """As :func:`measure`. Ids that nearly ascend read rows once for all queries."""
    out = np.full(ids.shape, np.inf)
    tile = max(1, _TILE_BYTES // rows[:1].nbytes)
    _measure(queries.astype(np.float64), rows, ids, wanted, tile, out)
    return out


@partial(jit, fastmath={"reassoc", "contract"})
def _measure(
    queries: NDArray[np.float64],
    rows: NDArray,
    ids: NDArray,
    wanted: NDArray[np.bool_],
    tile: int,
    out: NDArray[np.float64],
) -> None:
    n_queries, n_candidates = ids.shape
    place = np.zeros(n_queries, dtype=np.int64)
    for stop in range(tile, len(rows) + tile, tile):
        for query in range(n_queries):
            j = place[query]
            while j < n_candidates and (ids[query, j] < stop or not wanted[query, j]):
                if wanted[query, j]:
                    row, total = ids[query, j], 0.0
                    for column in range(rows.shape[1]):
                        x = np.float64(rows[row, column])
                        total += (x - queries[query, column]) ** 2
                    out[query, j] = total
                j += 1
            place[query] = j
