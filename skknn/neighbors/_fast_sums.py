"""Compiled distances of the fast engine, with the bits of numpy's sums.

numpy adds up to 128 terms in eight interleaved sums and halves longer arrays, whatever
the processor. Eight sums fill vector registers, which numba does not find out from
loops over scalars, so that the innermost loop is written in the compiler's own terms.
"""

from functools import cache

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253

from ._fast_kernels import jit

_SUMS, _LONGEST = 8, 128
#: Base rows handled at a time, in bytes: they stay in the L2 cache for all queries.
TILE_BYTES = 1 << 18


def measure(queries, base, ids, wanted, sqdist):
    """Squared distances with the bits of :func:`direct_sqdist`.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        C-contiguous, like ``base``.
    base : ndarray of shape (n_samples, n_features)
    ids : ndarray of shape (n_queries, n_candidates), int
        Rows that ascend read the base from front to back, once for all queries.
    wanted : ndarray of shape (n_queries, n_candidates), bool
    sqdist : ndarray of shape (n_queries, n_candidates), float64
        Filled where ``wanted``.
    """
    tile = max(1, TILE_BYTES // max(1, base[:1].nbytes))
    _measure(queries, base, ids, wanted, sqdist, tile, *_plan(base.shape[1]))


@cache
def _plan(n_terms):
    """Which terms numpy adds up in one go, and which of these sums it adds then.

    Returns
    -------
    parts : ndarray of shape (n_parts, 3), int
        First term, number of whole steps of eight, first term of the next part.
    joins : ndarray of shape (n_parts - 1, 2), int
        Pairs of parts in order; the second one's sum is added to the first one's.
    """
    parts, joins = [], []

    def add(start, count):
        if count <= _LONGEST:
            parts.append((start, count // _SUMS, start + count))
            return len(parts) - 1
        half = count // 2
        half -= half % _SUMS
        pair = add(start, half), add(start + half, count - half)
        joins.append(pair)
        return pair[0]

    add(0, n_terms)
    return np.array(parts), np.array(joins, dtype=np.int64).reshape(-1, 2)


@jit
def _measure(queries, base, ids, wanted, sqdist, tile, parts, joins):
    n_queries, n_candidates = ids.shape
    place = np.zeros(n_queries, dtype=np.int64)
    sums = np.empty((len(parts), 2))
    for stop in range(tile, len(base) + tile, tile):
        for query in range(n_queries):
            j, waiting = place[query], -1
            while j < n_candidates and ids[query, j] < stop:
                if wanted[query, j]:
                    if waiting < 0:
                        waiting = j
                    else:
                        rows = np.int64(ids[query, waiting]), np.int64(ids[query, j])
                        _sums_of(queries, query, base, rows, parts, joins, sums)
                        sqdist[query, waiting] = sums[0, 0]
                        sqdist[query, j] = sums[0, 1]
                        waiting = -1
                j += 1
            if waiting >= 0:
                rows = (np.int64(ids[query, waiting]),)
                _sums_of(queries, query, base, rows, parts, joins, sums)
                sqdist[query, waiting] = sums[0, 0]
            place[query] = j


@jit(inline="always")
def _sums_of(queries, query, base, rows, parts, joins, sums):
    """Squared distances to one or two rows, left in ``sums[0]``.

    Of two neither waits for the other's additions, which saves a sixth of the time.
    """
    for part in range(len(parts)):
        first, steps, end = parts[part, 0], parts[part, 1], parts[part, 2]
        total = _eight_sums(queries, query, base, rows, first, steps)
        for i in range(len(rows)):
            sums[part, i] = total[i]
        for j in range(first + steps * _SUMS, end):
            value = np.float64(queries[query, j])
            for i in range(len(rows)):
                difference = np.float64(base[rows[i], j]) - value
                sums[part, i] += difference * difference
    for join in range(len(joins)):
        for i in range(len(rows)):
            sums[joins[join, 0], i] += sums[joins[join, 1], i]


@intrinsic
def _eight_sums(typing, queries, query, base, rows, first, n_steps):
    """Squared differences of ``8 * n_steps`` columns to one or two rows of the base."""
    if not all(array.layout == "C" and array.ndim == 2 for array in (queries, base)):
        return None
    places = types.UniTuple(types.intp, len(rows))
    results = types.UniTuple(types.float64, len(rows))
    signature = results(queries, types.intp, base, places, types.intp, types.intp)
    return signature, _generate_eight_sums


def _generate_eight_sums(context, builder, signature, args):
    queries, query, base, rows, first, n_steps = args
    wide = ir.VectorType(ir.DoubleType(), _SUMS)

    def loader(kind, array, row):
        """A function that loads a step's columns of one row, as float64."""
        struct = context.make_array(kind)(context, builder, array)
        start = cgutils.get_item_pointer(
            context, builder, kind, struct, [row, first], wraparound=False
        )
        narrow = ir.VectorType(context.get_data_type(kind.dtype), _SUMS)
        align = kind.dtype.bitwidth // 8

        def load(step):
            place = builder.gep(start, [builder.mul(step, step.type(_SUMS))])
            place = builder.bitcast(place, narrow.as_pointer())
            values = builder.load(place, align=align)
            return values if narrow == wide else builder.fpext(values, wide)

        return load

    load_query = loader(signature.args[0], queries, query)
    load_rows = [
        loader(signature.args[2], base, row)
        for row in cgutils.unpack_tuple(builder, rows)
    ]
    sums = [cgutils.alloca_once(builder, wide) for _ in load_rows]
    for total in sums:
        builder.store(ir.Constant(wide, [0.0] * _SUMS), total)
    with cgutils.for_range(builder, n_steps) as loop:
        query = load_query(loop.index)
        for load, total in zip(load_rows, sums):
            difference = builder.fsub(load(loop.index), query)
            square = builder.fmul(difference, difference)
            builder.store(builder.fadd(builder.load(total), square), total)
    results = [_add_up(builder, builder.load(total)) for total in sums]
    return context.make_tuple(builder, signature.return_type, results)


def _add_up(builder, terms):
    """The sum of a vector, pair by pair."""
    terms = [builder.extract_element(terms, ir.IntType(32)(i)) for i in range(_SUMS)]
    while len(terms) > 1:
        terms = [builder.fadd(*pair) for pair in zip(terms[::2], terms[1::2])]
    return terms[0]
