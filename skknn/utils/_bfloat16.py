"""bfloat16 on this processor or card: whether it can, and whether that is faster."""

import math
import subprocess
import sys
import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ._threads import run_blocks

if TYPE_CHECKING:
    import torch

# bfloat16 must be this much faster than float32 to be worth its larger error.
_WORTH = 0.7


def cpu_has_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16."""
    import torch

    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        if getattr(torch.cpu, name, lambda: False)():
            return True
    if sys.platform == "darwin":
        return _says_the_system("hw.optional.arm.FEAT_BF16")
    try:
        with open("/proc/cpuinfo") as file:
            # ARM lists "bf16", x86 "avx512_bf16" or "amx_bf16".
            return any("bf16" in line for line in file if "eatures" in line)
    except OSError:
        return False


def cuda_has_bfloat16(device: "torch.device") -> bool:
    """Whether this CUDA device has units for products of bfloat16.

    Older ones than NVIDIA's Ampere (T4, V100) compute them by other means, slower than
    float32; torch's own question counts that as well, and is about the current device.
    """
    import torch

    if torch.version.hip:
        return True
    return torch.cuda.get_device_properties(device).major >= 8


def _says_the_system(feature: str) -> bool:
    """Ask macOS whether the processor has a feature; unknown names are none."""
    command = ["sysctl", "-n", feature]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == "1"


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
