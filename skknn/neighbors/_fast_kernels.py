"""Compiled loops of the fast engine, imported when it is used.

The kernels release the interpreter lock and run on the calling thread. They are
compiled once and kept in numba's cache.

A *reservoir* is a tuple of arrays (values, ids, counts, floors) of shapes
(n_rows, capacity) twice and (n_rows,) twice: for each query the filter scores and
base rows that may still be among its k best, how many there are, and the score that
further ones must reach. A count of -1 marks a query that overflowed.
"""

from functools import partial

import numba as nb  # noqa: TID253
import numpy as np
from numba.extending import overload  # noqa: TID253

# Products checked at a time, and looked at more closely when one is near: constants,
# so that the checks become vector code.
PARTS, LANES = 4, 16
RUN = PARTS * LANES


def jit(function=None, **options):
    """numba's ``njit`` with this package's options."""
    if function is None:
        return partial(jit, **options)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return nb.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in may be written to
        return nb.njit(**options)(function)


def _value(product, scale, half, ratio):
    """Filter score of one product, float32."""
    raise NotImplementedError


@overload(_value, inline="always")
def _value_of(product, scale, half, ratio):
    if product == nb.int16:  # the upper half of a float32: bfloat16
        return lambda product, scale, half, ratio: np.int32(
            np.int32(product) << np.int32(16)
        ).view(np.float32)
    if product == nb.int32:  # an int8 product
        return lambda product, scale, half, ratio: (
            np.float32(product) * scale - ratio * half
        )
    return lambda product, scale, half, ratio: product - half


@jit
def scan(products, first, scale, half, ratio, margin, unit, k, reservoir):
    """Add to the reservoir what reaches the floors in one tile of products.

    Parameters
    ----------
    products : ndarray of shape (n_rows, n_columns), int16, int32 or float32
        C-contiguous; the number of columns is a multiple of 64.
    first : int
        Base row of the first column.
    scale, half : ndarrays of shape (n_columns,), float32
    ratio : ndarray of shape (n_rows,), float32
    margin : ndarray of shape (n_rows,), float64
        Bound of the error of a score, apart from its rounding.
    unit : float
        Relative rounding of a score.
    k : int
    reservoir : tuple
        Changed in place.
    """
    values, ids, counts, floors = reservoir
    n_rows, n_columns = products.shape
    n_runs = n_columns // RUN
    limit = values.shape[1] - LANES
    runs = products.reshape(n_rows, n_runs, RUN)
    run_scale, run_half = scale.reshape(n_runs, RUN), half.reshape(n_runs, RUN)
    parts = products.reshape(n_rows, n_runs, PARTS, LANES)
    part_scale = scale.reshape(n_runs, PARTS, LANES)
    part_half = half.reshape(n_runs, PARTS, LANES)
    for row in range(n_rows):
        count, floor, ratio_ = counts[row], floors[row], ratio[row]
        for run in range(n_runs):
            if count < 0:
                break
            near = np.int32(0)
            for j in range(RUN):
                value = _value(
                    runs[row, run, j], run_scale[run, j], run_half[run, j], ratio_
                )
                near |= np.int32(value >= floor)
            if near == 0:
                continue
            for part in range(PARTS):
                near = np.int32(0)
                for j in range(LANES):
                    value = _value(
                        parts[row, run, part, j],
                        part_scale[run, part, j],
                        part_half[run, part, j],
                        ratio_,
                    )
                    near |= np.int32(value >= floor)
                if near == 0:
                    continue
                if count > limit:
                    count, floor = _shrink(reservoir, row, count, margin[row], unit, k)
                    if count > limit - limit // 8:
                        count = -1
                        break
                base_row = first + (run * PARTS + part) * LANES
                for j in range(LANES):
                    value = _value(
                        parts[row, run, part, j],
                        part_scale[run, part, j],
                        part_half[run, part, j],
                        ratio_,
                    )
                    # Always written, kept when near: no branch to mispredict.
                    values[row, count] = value
                    ids[row, count] = base_row + j
                    count += value >= floor
        counts[row], floors[row] = count, floor


@jit
def pad(reservoir):
    """Fill the unused ends of the values up to the longest row; returns its length."""
    values, _, counts, _ = reservoir
    used = counts.max()
    for row in range(len(counts)):
        values[row, max(0, counts[row]) : used] = -np.inf
    return used


@jit
def keep(reservoir):
    """Drop what does not reach the floors."""
    values, ids, counts, floors = reservoir
    for row in range(len(counts)):
        if counts[row] >= 0:
            counts[row] = _keep(values, ids, row, counts[row], floors[row])


@jit
def _shrink(reservoir, row, count, margin, unit, k):
    """Make room in a full row. Returns its new count and floor."""
    values, ids, _, _ = reservoir
    best = np.float64(_select(values[row, :count].copy(), k))
    floor = score_floor(best, margin, unit)
    return _keep(values, ids, row, count, floor), floor


@jit
def score_floor(best, margin, unit):
    """Filter scores below this cannot belong to the k best.

    Parameters
    ----------
    best : float64
        The k-th best filter score so far.
    margin, unit : float64
    """
    least = best - unit * abs(best) - 2 * margin
    least = least / (1 + unit) if least >= 0 else least / (1 - unit)
    # A step down for the rounding to float32.
    return np.float32(max(least - abs(least) * 2.0**-22 - 1e-37, -3e38))


@jit
def set_floors(best, margin, unit, floors):
    """Raise floors to what the k-th best scores imply."""
    for row in range(len(best)):
        floor = score_floor(np.float64(best[row]), margin[row], unit)
        floors[row] = max(floors[row], floor)


@jit
def _keep(values, ids, row, count, floor):
    kept = 0
    for j in range(count):
        values[row, kept], ids[row, kept] = values[row, j], ids[row, j]
        kept += values[row, j] >= floor
    return kept


@jit
def _select(a, k):
    """The k-th largest element; rearranges ``a``."""
    left, right = 0, len(a) - 1
    while left < right:
        pivot = a[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while a[i] > pivot:
                i += 1
            while a[j] < pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            right = j
        elif k - 1 >= i:
            left = i
        else:
            break
    return a[k - 1]
