"""Compiled predictions for many k: votes in float32, with a bound of their rounding."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..utils._jit import jit

# Queries handled at a time: their neighbours, once in float32, and votes stay in the
# cache, and blocks of few are sooner settled.
_BLOCK = 64
# Rounding of a weight and of its addition, relative to the votes of the best class,
# which are at least the 1 of the nearest row: see `predict`.
_ERROR = np.float32(2.0**-21)


def in_blocks(lists: NDArray, dtype: DTypeLike) -> NDArray:
    """Copy of (k_max, n_queries) lists as they are read: (n_blocks, k_max, _BLOCK)."""
    k_max, n_queries = lists.shape
    blocks = np.zeros((-(-n_queries // _BLOCK), k_max, _BLOCK), dtype=dtype)
    for block, start in zip(blocks, range(0, n_queries, _BLOCK)):
        part = lists[:, start : start + _BLOCK]
        block[:, : part.shape[1]] = part
    return blocks


@jit
def predict(
    weights: NDArray[np.float32],
    labels: NDArray,
    n_classes: int,
    n_neighbors: NDArray,
    codes: NDArray,
    unsure: NDArray[np.bool_],
) -> None:
    """Class with the most votes, for every k.

    The votes of one class are sums of at most k weights, each off by less than
    6 / 2**24 (2.6 units in numpy's exp, and three roundings of the exponent), and
    rounded by 2**-24 of the sum when it is added. Where the best class leads the second
    one by more than twice that, it is the best one in exact arithmetic too. Where it
    leads by more than all further weights, none of which is larger than the last one,
    it stays the best one.

    Fills ``codes`` (n_k, n_queries) and sets ``unsure`` (n_queries,) where one of them
    may be wrong. ``weights`` and ``labels`` have the shape of :func:`in_blocks`.
    """
    n_queries, k_max = len(unsure), n_neighbors[-1]
    # Unsigned, because negative places would be checked for.
    n_columns = np.uint64(n_classes)
    for block in range(len(weights)):
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
                    label, first = np.uint32(labels[block, j, row]), leader[row]
                    place = np.uint64(row) * n_columns + np.uint64(label)
                    total = votes[place] + weights[block, j, row]
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
                last = weights[block, done - 1, row]
                n_open += not lead > k_max * doubt + (k_max - done) * last
            if n_open == 0:
                for later in range(number + 1, len(n_neighbors)):
                    for row in range(start, start + width):
                        codes[later, row] = codes[number, row]
                break
