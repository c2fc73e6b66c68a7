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

# Elements of which a pivot is chosen.
_SAMPLE = 15


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


def join(reservoirs):
    """One reservoir of what others hold of several parts of the base, in order."""
    if len(reservoirs) == 1:
        return reservoirs[0]
    all_values, _, all_counts, all_floors = zip(*reservoirs)
    shape = len(all_values[0]), sum(values.shape[1] for values in all_values)
    values, ids = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int32)
    counts = np.where(np.min(all_counts, axis=0) < 0, -1, 0)
    joined = values, ids, counts, np.max(all_floors, axis=0)
    for reservoir in reservoirs:
        _append(joined, reservoir)
    return joined


@jit
def _append(reservoir, more):
    """Add what reaches the floors to rows that did not overflow."""
    values, ids, counts, floors = reservoir
    more_values, more_ids, more_counts, _ = more
    for row in range(len(counts)):
        count = counts[row]
        if count < 0:
            continue
        for j in range(more_counts[row]):
            values[row, count] = more_values[row, j]
            ids[row, count] = more_ids[row, j]
            count += more_values[row, j] >= floors[row]
        counts[row] = count


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
    spare = np.empty_like(a)
    sample = np.empty(_SAMPLE, dtype=a.dtype)
    while len(a) > 1:
        pivot = _pivot(a, k, sample)
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


@jit
def _pivot(a, k, sample):
    """An element likely to be close to the k-th largest, on the side of more."""
    if len(a) < 4 * _SAMPLE:
        x, y, z = a[0], a[len(a) // 2], a[-1]
        return max(min(x, y), min(max(x, y), z))
    step = len(a) // _SAMPLE
    for i in range(_SAMPLE):
        value, j = a[i * step], i
        while j > 0 and sample[j - 1] < value:
            sample[j] = sample[j - 1]
            j -= 1
        sample[j] = value
    place = k * _SAMPLE // len(a) + (2 if 2 * k < len(a) else -1)
    return sample[max(0, min(place, _SAMPLE - 1))]
