"""Compiled loops over what the fast engine keeps, imported when it is used.

All kernels of this engine release the interpreter lock and run on the calling thread.
They are compiled once and kept in numba's cache.

A *reservoir* is a tuple of arrays (values, ids, counts, floors) of shapes
(n_rows, capacity) twice and (n_rows,) twice: for each query the filter scores and
base rows that may still be among its k best, how many there are, and the score that
further ones must reach. A count of -1 marks a query that overflowed.
"""

from functools import partial

import numba as nb  # noqa: TID253
import numpy as np


def jit(function=None, **options):
    """numba's ``njit`` with this package's options."""
    if function is None:
        return partial(jit, **options)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return nb.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in may be written to
        return nb.njit(**options)(function)


@jit
def prune(reservoir, reach, unit, k):
    """Raise the floors and drop what does not reach them.

    Parameters
    ----------
    reservoir : tuple
        Changed in place.
    reach : ndarray of shape (n_rows,), float64
        How far below the k-th best a score may be to be kept, apart from rounding.
    unit : float
        Relative rounding of a score.
    k : int

    Returns
    -------
    ndarray of shape (n_rows,), float32
        The k-th best values; -inf where there are fewer.
    """
    values, _, counts, floors = reservoir
    best = np.full(len(counts), -np.inf, dtype=np.float32)
    for row in range(len(counts)):
        if counts[row] >= k:
            best[row] = select(values[row, : counts[row]].copy(), k)
            floors[row] = max(floors[row], score_floor(best[row], reach[row], unit))
        if counts[row] >= 0:
            counts[row] = keep(reservoir, row, counts[row], floors[row])
    return best


@jit
def score_floor(best, reach, unit):
    """Filter scores below this are not kept.

    With a reach of twice the bound of a score's error they cannot belong to the k
    best.

    Parameters
    ----------
    best : float32
        The k-th best filter score so far.
    reach, unit : float64
    """
    best = np.float64(best)
    least = best - unit * abs(best) - reach
    least = least / (1 + unit) if least >= 0 else least / (1 - unit)
    # A step down for the rounding to float32.
    return np.float32(max(least - abs(least) * 2.0**-22 - 1e-37, -3e38))


@jit
def keep(reservoir, row, count, floor):
    """Drop what does not reach the floor of a row. Returns its new count."""
    values, ids, _, _ = reservoir
    kept = 0
    for j in range(count):
        values[row, kept], ids[row, kept] = values[row, j], ids[row, j]
        kept += values[row, j] >= floor
    return kept


@jit
def select(a, k):
    """The k-th largest element; rearranges ``a``, which holds no NaN."""
    left, right = 0, len(a)
    while right - left > 1:
        x, y, z = a[left], a[(left + right) // 2], a[right - 1]
        pivot = max(min(x, y), min(max(x, y), z))
        above, equal = left, 0
        # Always swapped, counted when above: no branch to mispredict.
        for j in range(left, right):
            value = a[j]
            a[j], a[above] = a[above], value
            above += value > pivot
            equal += value == pivot
        if k <= above - left:
            right = above
            continue
        k -= above - left + equal
        if k <= 0:
            return pivot
        left, below = above, above
        for j in range(left, right):
            value = a[j]
            a[j], a[below] = a[below], value
            below += value < pivot
        right = below
    return a[left]
