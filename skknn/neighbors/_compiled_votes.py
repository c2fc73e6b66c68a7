"""Compiled predictions for many k: votes in float32, with a bound of their rounding.

Several times faster than float64. Rows in which rounding might change a prediction are
reported, for ``_predictions`` to count again.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._jit import jit

# Queries handled at a time: their neighbours, once in float32, and votes stay in the
# cache, and blocks of few are sooner settled.
_BLOCK = 64
# Rounding of a weight and of its addition, relative to the votes of the best class,
# which are at least the 1 of the nearest row: see `predict`.
_ERROR = np.float32(2.0**-21)

_LOG2_E = np.float32(1.4426950408889634)
# Added to a float32, it leaves the nearest integer in the lowest of its bits.
_ROUNDER = np.float32(1.5 * 2**23)
_LARGEST = np.float32(87)  # exp(-87) is still a normal float32
_ONE, _ZERO = np.float32(1), np.float32(0)
# 2**r = 1 + r (a + r (b + ...)), by powers of ln 2 over factorials.
_A, _B, _C, _D, _E, _F = (
    np.float32(np.log(2.0) ** n / f)
    for n, f in zip(range(1, 7), (1, 2, 6, 24, 120, 720))
)


@jit
def weight(x):  # type: ignore
    """``exp(-x)`` of a float32 that is not negative."""
    near = min(x, _LARGEST) * -_LOG2_E
    shifted = near + _ROUNDER
    r = near - (shifted - _ROUNDER)
    power = _ONE + r * (_A + r * (_B + r * (_C + r * (_D + r * (_E + r * _F)))))
    exponent = np.float32(shifted).view(np.int32) << np.int32(23)
    value = np.int32(np.float32(power).view(np.int32) + exponent).view(np.float32)
    return value if x <= _LARGEST else _ZERO


def in_blocks(lists: NDArray, dtype: DTypeLike) -> NDArray:
    """Copy of lists, block by block as they are read.

    Parameters
    ----------
    lists : ndarray of shape (k_max, n_queries)
    dtype : dtype

    Returns
    -------
    ndarray of shape (n_blocks, k_max, block size), of the dtype
    """
    k_max, n_queries = lists.shape
    blocks = np.zeros((-(-n_queries // _BLOCK), k_max, _BLOCK), dtype=dtype)
    for block, start in zip(blocks, range(0, n_queries, _BLOCK)):
        part = lists[:, start : start + _BLOCK]
        block[:, : part.shape[1]] = part
    return blocks


@jit
def predict(gaps, labels, scale, n_classes, n_neighbors, codes, unsure):  # type: ignore
    """Class with the most votes, for every k.

    The votes of one class are sums of at most k weights, each off by less than
    5 / 2**24, three roundings of the exponent included, and rounded by 2**-24 of the
    sum when it is added. Where the best class leads the second one by more than twice
    that, it is the best one in exact arithmetic too. Where it leads by more than all
    further weights, none of which is larger than the last one, it stays the best one.

    Parameters
    ----------
    gaps, labels : ndarrays of shape (n_blocks, k_max, block size), float32 and int
        From :func:`in_blocks`.
    scale : float32
        1 / tau.
    n_classes : int
    n_neighbors : ndarray of shape (n_k,), int
        Strictly ascending, at most ``k_max``.
    codes : ndarray of shape (n_k, n_queries), int
        Filled with class numbers.
    unsure : ndarray of shape (n_queries,), bool
        Set where any of the ``codes`` may be wrong.
    """
    n_queries, k_max = len(unsure), n_neighbors[-1]
    # Unsigned, because negative places would be checked for.
    n_columns = np.uint64(n_classes)
    weights = np.empty(_BLOCK, dtype=np.float32)
    for block in range(len(gaps)):
        start = block * _BLOCK
        width = min(_BLOCK, n_queries - start)
        votes = np.zeros(width * n_classes, dtype=np.float32)
        best = np.zeros(width, dtype=np.float32)
        second = np.zeros(width, dtype=np.float32)
        leader = np.full(width, n_classes, dtype=np.uint32)
        done = 0
        for number in range(len(n_neighbors)):
            for j in range(done, n_neighbors[number]):
                for row in range(width):
                    weights[row] = weight(gaps[block, j, row] * scale)
                for row in range(width):
                    label, first = np.uint32(labels[block, j, row]), leader[row]
                    place = np.uint64(row) * n_columns + np.uint64(label)
                    total = votes[place] + weights[row]
                    votes[place] = total
                    # No branches: what a vote changes cannot be foreseen.
                    other = max(second[row], min(total, best[row]))
                    second[row] = second[row] if label == first else other
                    leader[row] = label if total > best[row] else first
                    best[row] = max(total, best[row])
            done = n_neighbors[number]
            n_open = 0
            for row in range(width):
                codes[number, start + row] = leader[row]
                lead, doubt = best[row] - second[row], 2 * _ERROR * best[row]
                unsure[start + row] |= not lead > done * doubt
                n_open += not lead > k_max * doubt + (k_max - done) * weights[row]
            if n_open == 0:
                for later in range(number + 1, len(n_neighbors)):
                    for row in range(start, start + width):
                        codes[later, row] = codes[number, row]
                break
