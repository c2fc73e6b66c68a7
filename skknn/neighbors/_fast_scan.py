"""Compiled scan of products: which of them are near.

Nearly all products are far, so that the scan is as fast as they are compared. numba
does not make a mask of many comparisons, so that they are written in the compiler's
own terms.
"""

import numba as nb  # noqa: TID253
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253

from ._fast_kernels import jit, keep, score_floor, select

#: Products compared at a time.
RUN = 64


@jit
def scan(products, first, scale, half, ratio, reach, unit, k, reservoir):
    """Add to the reservoir what reaches the floors in one tile of products.

    Parameters
    ----------
    products : ndarray of shape (n_rows, n_columns), int16, int32 or float32
        C-contiguous; the number of columns is a multiple of 64.
    first : int
        Base row of the first column.
    scale, half : ndarrays of shape (n_columns,), float32
    ratio : ndarray of shape (n_rows,), float32
    reach, unit, k
        As in :func:`prune`.
    reservoir : tuple
        Changed in place.
    """
    values, ids, counts, floors = reservoir
    limit = values.shape[1] - RUN
    for row in range(len(products)):
        count, floor = counts[row], floors[row]
        for start in range(0, products.shape[1], RUN):
            if count < 0:
                break
            near = _near(products, row, start, scale, half, ratio[row], floor)
            if near == 0:
                continue
            if count > limit:
                count, floor = _shrink(reservoir, row, count, reach[row], unit, k)
                if count > limit - limit // 8:
                    count = -1
                    break
            while near != 0:
                j = start + _lowest_bit(near)
                near &= near - np.uint64(1)
                value = _value(products[row, j], scale[j], half[j], ratio[row])
                values[row, count], ids[row, count] = value, first + j
                count += 1
        counts[row], floors[row] = count, floor


@jit
def _shrink(reservoir, row, count, reach, unit, k):
    """Make room in a full row. Returns its new count and floor."""
    values, _, _, floors = reservoir
    best = select(values[row, :count].copy(), k)
    floor = max(floors[row], score_floor(best, reach, unit))
    return keep(reservoir, row, count, floor), floor


@jit
def first_floors(products, scale, half, ratio, reach, unit, k, floors):
    """Raise floors to what products with some of the base imply.

    The k-th best of the largest values of groups is no better than the k-th best
    of all, hardly worse with eight times as many groups, and found faster. Other
    parameters as in :func:`scan`.

    Parameters
    ----------
    floors : ndarray of shape (n_rows,), float32
        Changed in place.
    """
    n_rows, n_columns = products.shape
    if n_columns < k:
        return
    n_groups = n_columns // max(1, n_columns // (8 * k))
    largest = np.empty(n_groups, dtype=np.float32)
    for row in range(n_rows):
        largest[:] = -np.inf
        for start in range(0, n_columns - n_groups + 1, n_groups):
            for j in range(n_groups):
                column = start + j
                value = _value(
                    products[row, column], scale[column], half[column], ratio[row]
                )
                if value > largest[j]:
                    largest[j] = value
        best = select(largest, k)
        floors[row] = max(floors[row], score_floor(best, reach[row], unit))


@intrinsic
def _near(typing, products, row, start, scale, half, ratio, floor):
    """Bits of the products of a run whose values reach the floor."""
    if not all(array.layout == "C" for array in (products, scale, half)):
        return None
    vector = types.Array(types.float32, 1, "C", readonly=not half.mutable)
    signature = types.uint64(
        products, types.intp, types.intp, scale, vector, types.float32, types.float32
    )
    return signature, _generate_near


def _generate_near(context, builder, signature, args):
    products, row, start, scale, half, ratio, floor = args

    def load(position, array, *place):
        kind = signature.args[position]
        struct = context.make_array(kind)(context, builder, array)
        pointer = cgutils.get_item_pointer(
            context, builder, kind, struct, list(place), wraparound=False
        )
        vector = ir.VectorType(context.get_data_type(kind.dtype), RUN)
        pointer = builder.bitcast(pointer, vector.as_pointer())
        return builder.load(pointer, align=kind.dtype.bitwidth // 8)

    def spread(value):
        one = ir.Constant(ir.VectorType(ir.FloatType(), RUN), ir.Undefined)
        one = builder.insert_element(one, value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), RUN), [0] * RUN)
        return builder.shuffle_vector(one, one, zeros)

    wide = ir.VectorType(ir.FloatType(), RUN)
    whole = ir.VectorType(ir.IntType(32), RUN)
    dtype = signature.args[0].dtype
    values = load(0, products, row, start)
    if dtype == types.int16:
        sixteen = ir.Constant(whole, [16] * RUN)
        values = builder.shl(builder.zext(values, whole), sixteen)
        values = builder.bitcast(values, wide)
    else:
        below = load(4, half, start)
        if dtype == types.int32:
            values = builder.sitofp(values, wide)
            values = builder.fmul(values, load(3, scale, start))
            below = builder.fmul(spread(ratio), below)
        values = builder.fsub(values, below)
    near = builder.fcmp_ordered(">=", values, spread(floor))
    return builder.bitcast(near, ir.IntType(RUN))


@intrinsic
def _lowest_bit(typing, bits):
    """Number of the lowest bit that is set, of a uint64 that is not 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.intp(types.uint64), generate


def _value(product, scale, half, ratio):
    """Filter score of one product, float32."""
    raise NotImplementedError


@nb.extending.overload(_value, inline="always")
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
