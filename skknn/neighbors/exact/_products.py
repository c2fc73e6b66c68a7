"""Whether this processor multiplies bfloat16 faster than float32."""

import time
from functools import cache

import numpy as np

from ...utils._threads import run_blocks

# The shape of one block of queries against one tile of rows.
_ROWS, _FEATURES, _COLUMNS = 128, 384, 1024
_REPEATS = 5
# bfloat16 must be this much faster to be worth its larger error.
_WORTH = 0.7


@cache
def bfloat16_pays() -> bool:
    """Whether products of bfloat16 are right and clearly faster than float32's.

    The instructions that make them so (AVX-512 BF16, AMX) cannot be told from the
    processor's name; without them these products are many times slower. Measured once
    per process on one thread, in about 10 ms.
    """
    import torch

    rng = np.random.default_rng(0)
    # Small whole numbers: every precision holds them, and float32 their products.
    left = rng.integers(-64, 65, (_ROWS, _FEATURES)).astype(np.float32)
    right = rng.integers(-64, 65, (_COLUMNS, _FEATURES)).astype(np.float32)
    low = torch.from_numpy(left).bfloat16(), torch.from_numpy(right).bfloat16()
    seconds = {}

    def measure(name: str) -> None:
        for _ in range(_REPEATS + 1):  # the first one warms up
            start = time.perf_counter()
            if name == "float32":
                np.matmul(left, right.T)
            else:
                torch.mm(low[0], low[1].T)
            seconds.setdefault(name, []).append(time.perf_counter() - start)

    try:
        run_blocks(measure, ["float32", "bfloat16"], 1, torch=torch)
        right_one = torch.from_numpy(left @ right.T).bfloat16()
        if not torch.equal(torch.mm(low[0], low[1].T), right_one):
            return False
    except (NotImplementedError, RuntimeError):
        return False
    fastest = {name: min(values) for name, values in seconds.items()}
    return fastest["bfloat16"] < _WORTH * fastest["float32"]
