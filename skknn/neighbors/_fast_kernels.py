"""Compiled loops of the fast engine; imported by it alone, when it is used.

The kernels release the interpreter lock and run on the calling thread. They are
compiled once and kept in numba's cache.

A *reservoir* is a tuple of arrays (values, ids, counts, floors) of shapes
(n_rows, capacity) twice and (n_rows,) twice: for each query the filter scores and
base rows that may still be among its k best, how many there are, and the score that
further ones must reach. A count of -1 marks a query that overflowed.
"""

import numba as nb  # noqa: TID253
import numpy as np
from numba.extending import overload  # noqa: TID253

# Products checked at a time, and looked at more closely when one is near: constants,
# so that the checks become vector code.
PARTS, LANES = 4, 16
RUN = PARTS * LANES
# numpy adds up to this many terms in eight interleaved sums, and halves longer ones.
_PAIRWISE = 128


def _jit(function):
    options = {"nogil": True, "error_model": "numpy"}
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


@_jit
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


@_jit
def pad(reservoir):
    """Fill the unused ends of the values up to the longest row; returns its length."""
    values, _, counts, _ = reservoir
    used = counts.max()
    for row in range(len(counts)):
        values[row, max(0, counts[row]) : used] = -np.inf
    return used


@_jit
def keep(reservoir):
    """Drop what does not reach the floors."""
    values, ids, counts, floors = reservoir
    for row in range(len(counts)):
        if counts[row] >= 0:
            counts[row] = _keep(values, ids, row, counts[row], floors[row])


@_jit
def measure(queries, base, rows, ids):
    """Squared distances of pairs, with the bits of :func:`direct_sqdist`.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
    base : ndarray of shape (n_samples, n_features)
    rows, ids : ndarrays of shape (n_pairs,), int
        Pairs in ascending order of ``ids`` read the base from front to back.

    Returns
    -------
    ndarray of shape (n_pairs,), float64
    """
    sqdist = np.empty(len(rows))
    squares = np.empty(base.shape[1])
    for pair in range(len(rows)):
        query, row = queries[rows[pair]], base[ids[pair]]
        for j in range(len(squares)):
            difference = np.float64(row[j]) - np.float64(query[j])
            squares[j] = difference * difference
        sqdist[pair] = _pairwise_sum(squares)
    return sqdist


@_jit
def _shrink(reservoir, row, count, margin, unit, k):
    """Make room in a full row. Returns its new count and floor."""
    values, ids, _, _ = reservoir
    best = np.float64(_select(values[row, :count].copy(), k))
    floor = score_floor(best, margin, unit)
    return _keep(values, ids, row, count, floor), floor


@_jit
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


@_jit
def set_floors(best, margin, unit, floors):
    """Raise floors to what the k-th best scores imply."""
    for row in range(len(best)):
        floor = score_floor(np.float64(best[row]), margin[row], unit)
        floors[row] = max(floors[row], floor)


@_jit
def _keep(values, ids, row, count, floor):
    kept = 0
    for j in range(count):
        values[row, kept], ids[row, kept] = values[row, j], ids[row, j]
        kept += values[row, j] >= floor
    return kept


@_jit
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


@_jit
def _pairwise_sum(a):
    """The sum in numpy's order."""
    n = len(a)
    if n < 8:
        total = 0.0
        for j in range(n):
            total += a[j]
        return total
    if n <= _PAIRWISE:
        s0, s1, s2, s3, s4, s5, s6, s7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
        for j in range(1, n // 8):
            b = a[8 * j : 8 * j + 8]
            s0 += b[0]
            s1 += b[1]
            s2 += b[2]
            s3 += b[3]
            s4 += b[4]
            s5 += b[5]
            s6 += b[6]
            s7 += b[7]
        total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
        for j in range(n - n % 8, n):
            total += a[j]
        return total
    half = n // 2
    half -= half % 8
    return _pairwise_sum(a[:half]) + _pairwise_sum(a[half:])
