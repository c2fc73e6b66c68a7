"""Matrix products, and which precision this processor does them fastest in."""

import time
from functools import cache

import numpy as np

# The shape of one block of queries against one tile of the base.
_ROWS, _FEATURES, _COLUMNS = 128, 384, 1024
_REPEATS = 5
# Rows of the base at a time.
_TILE = 1024


def tile_products(queries, rows):
    """``queries @ rows.T``, up to a sixth faster where queries are few.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
    rows : ndarray of shape (n_rows, n_features), of the same dtype

    Returns
    -------
    ndarray of shape (n_queries, n_rows)
    """
    out = np.empty((len(queries), len(rows)), dtype=rows.dtype)
    for start in range(0, len(rows), _TILE):
        part = slice(start, start + _TILE)
        np.matmul(queries, rows[part].T, out=out[:, part])
    return out


@cache
def product_seconds():
    """Seconds per product of two numbers, measured once per process.

    On the CPU and one thread, in products of a small matrix in each precision.

    The instructions that make bfloat16 and int8 faster than float32 (AVX-512 BF16
    and VNNI, AMX) cannot be told from the processor's name; without them the
    products are many times slower. Takes about 10 ms.

    Returns
    -------
    dict
        Keys ``"float32"`` (numpy), ``"bfloat16"`` and ``"int8"`` (torch); inf where a
        product is missing or wrong.
    """
    import torch

    from ..utils._threads import run_blocks

    rng = np.random.default_rng(0)
    # Small whole numbers: every precision holds them, and float32 their products.
    left = rng.integers(-64, 65, (_ROWS, _FEATURES)).astype(np.float32)
    right = rng.integers(-64, 65, (_COLUMNS, _FEATURES)).astype(np.float32)
    true = torch.from_numpy(left @ right.T)
    left_b, right_b = (torch.from_numpy(a).bfloat16() for a in (left, right))
    left_i, right_i = (torch.from_numpy(a).to(torch.int8) for a in (left, right))
    products = {
        "float32": lambda: torch.from_numpy(left @ right.T),
        "bfloat16": lambda: torch.mm(left_b, right_b.T),
        "int8": lambda: torch._int_mm(left_i, right_i.T),
    }
    seconds = {}

    def measure(name):
        try:
            result = products[name]()
            best = min(_seconds(products[name]) for _ in range(_REPEATS))
            seconds[name] = best / (_ROWS * _FEATURES * _COLUMNS)
            if not torch.equal(result, true.to(result.dtype)):
                seconds[name] = np.inf
        except (AttributeError, NotImplementedError, RuntimeError):
            seconds[name] = np.inf

    run_blocks(measure, list(products), 1, torch=torch)
    return seconds


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
