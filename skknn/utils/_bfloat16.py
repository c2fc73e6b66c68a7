"""Whether this processor is faster in bfloat16 than in float32."""

import math
import time
from functools import cache

import numpy as np

from ._threads import run_blocks

# bfloat16 must be this much faster than float32 to be worth its larger error.
_WORTH = 0.7


@cache
def bfloat16_pays() -> bool:
    """Whether this processor's products in bfloat16 are right and clearly faster.

    The instructions that make them so (AVX-512 BF16, AMX) cannot be told from the
    processor's name; without them these products are many times slower than float32's.
    Measured once per process on one thread, in about 10 ms.
    """
    import torch

    rng = np.random.default_rng(0)
    # Small whole numbers: every precision holds them, and float32 their products.
    left, right = (rng.integers(-64, 65, (n, 384)).astype("f4") for n in (128, 1024))
    low = [torch.from_numpy(rows).bfloat16() for rows in (left, right)]
    products = lambda: left @ right.T, lambda: torch.mm(low[0], low[1].T)
    seconds = [math.inf, math.inf]

    def measure(_: None) -> None:
        for number in (0, 1) * 6:
            start = time.perf_counter()
            products[number]()
            seconds[number] = min(seconds[number], time.perf_counter() - start)

    try:
        run_blocks(measure, [None], 1, torch=torch)
        true = torch.from_numpy(products[0]()).bfloat16()
        return torch.equal(products[1](), true) and seconds[1] < _WORTH * seconds[0]
    except (NotImplementedError, RuntimeError):
        return False
