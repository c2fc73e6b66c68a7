"""Compiled votes: predictions for many k, where the last bits of votes do not matter.

Weights and sums are float32, several times faster than in float64. Rows in which that
might change a prediction are reported, for ``_votes`` to count again.
"""

import numpy as np

from ._fast_kernels import jit

# Votes kept in the cache, and queries handled at a time: rows of memory are read faster
# the longer they are.
_VOTES, _QUERIES = 1 << 16, 256
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
def weight(x):
    """``exp(-x)`` of a float32 that is not negative."""
    near = min(x, _LARGEST) * -_LOG2_E
    shifted = near + _ROUNDER
    r = near - (shifted - _ROUNDER)
    power = _ONE + r * (_A + r * (_B + r * (_C + r * (_D + r * (_E + r * _F)))))
    exponent = np.float32(shifted).view(np.int32) << np.int32(23)
    value = np.int32(np.float32(power).view(np.int32) + exponent).view(np.float32)
    return value if x <= _LARGEST else _ZERO


@jit
def predict(gaps, labels, scale, n_classes, n_neighbors, codes, unsure):
    """Class with the most votes, for every k.

    The votes of one class are sums of at most k weights, each off by less than 2**-22,
    the rounding of ``x`` included, and rounded by 2**-24 of the sum when it is added.
    Where the best class leads the second one by more than twice that, it is the best
    one in exact arithmetic too. Where it leads by more than all further weights, none
    of which is larger than the last one, it stays the best one.

    Parameters
    ----------
    gaps : ndarray of shape (k_max, n_queries), float64
        From :func:`sorted_gaps`.
    labels : ndarray of shape (k_max, n_queries), int
    scale : float
        1 / tau, finite.
    n_classes : int
    n_neighbors : ndarray of shape (n_k,), int
        Strictly ascending, at most ``k_max``.
    codes : ndarray of shape (n_k, n_queries), int
        Filled with class numbers.
    unsure : ndarray of shape (n_queries,), bool
        Set where any of the ``codes`` may be wrong.
    """
    n_queries, k_max = gaps.shape[1], n_neighbors[-1]
    size = max(1, min(_QUERIES, _VOTES // n_classes))
    # Unsigned, because negative places would be checked for.
    n_columns = np.uint64(n_classes)
    weights = np.empty(size, dtype=np.float32)
    for start in range(0, n_queries, size):
        width = min(size, n_queries - start)
        votes = np.zeros(width * n_classes, dtype=np.float32)
        best = np.zeros(width, dtype=np.float32)
        second = np.zeros(width, dtype=np.float32)
        leader = np.full(width, n_classes, dtype=np.uint32)
        done = 0
        for number in range(len(n_neighbors)):
            for j in range(done, n_neighbors[number]):
                # In two loops, the second one has vectors of float32 alone.
                for row in range(width):
                    weights[row] = np.float32(gaps[j, start + row] * scale)
                for row in range(width):
                    weights[row] = weight(weights[row])
                for row in range(width):
                    label, first = np.uint32(labels[j, start + row]), leader[row]
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
                    codes[later, start : start + width] = codes[
                        number, start : start + width
                    ]
                break
