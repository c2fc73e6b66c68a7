"""torch's 8-bit antialiased resize as matrix products, with the same bytes.

On a CPU torch resizes whole grey levels in integer arithmetic, first along the width,
then along the height: weights are scaled by a power of two and rounded to 16 bits, the
weighted sum is rounded to a grey level after each pass. The same sums as products with
a matrix of those integers are exact in float32 as long as they stay below 2**24 (in
float64 beyond), so that any device gives the bytes of the CPU.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

# Weights have 16 bits with the sign.
_WEIGHT_LIMIT = 2**15
_MOST_BITS = 22
# Whole numbers below this are exact in float32.
_EXACT = 2**24


def resize(pixels: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Resize a uint8 tensor (..., h, w), with antialiasing, to uint8.

    Parameters
    ----------
    pixels : uint8 tensor
        On any device that has float64 or needs none; products of float32 must not be
        rounded to TF32.
    size : (height, width)
    mode : {"bilinear", "bicubic"}
    """
    height, width = pixels.shape[-2:]
    if width != size[1]:
        matrix, bits = _on_device(width, size[1], mode, pixels.device)
        pixels = _round(pixels.to(matrix.dtype) @ matrix.T, bits)
    if height != size[0]:
        matrix, bits = _on_device(height, size[0], mode, pixels.device)
        pixels = _round(matrix @ pixels.to(matrix.dtype), bits)
    return pixels.to(torch.uint8)


def integer_weights(n_in: int, n_out: int, mode: str) -> tuple[NDArray[np.int64], int]:
    """Return the integer weights of one pass, and the bits they are scaled by.

    Parameters
    ----------
    n_in, n_out : int
        Pixels along the axis before and after.
    mode : {"bilinear", "bicubic"}

    Returns
    -------
    weights : ndarray of shape (n_out, n_in)
    bits : int
        A resized pixel is (weights @ pixels + 2 ** (bits - 1)) >> bits, clamped.
    """
    scale = n_in / n_out
    widened = max(scale, 1.0)
    support = widened * (1.0 if mode == "bilinear" else 2.0)
    weights = np.zeros((n_out, n_in))
    for row, line in enumerate(weights):
        centre = scale * (row + 0.5)
        first = max(int(centre - support + 0.5), 0)
        stop = min(int(centre + support + 0.5), n_in)
        places = (np.arange(first, stop) - centre + 0.5) / widened
        values = _FILTERS[mode](np.abs(places))
        line[first:stop] = values / values.sum()
    bits = 0
    largest = weights.max()
    while bits < _MOST_BITS and int(0.5 + largest * 2 ** (bits + 1)) < _WEIGHT_LIMIT:
        bits += 1
    # Rounded half away from zero.
    scaled = np.sign(weights) * np.floor(np.abs(weights) * 2**bits + 0.5)
    return scaled.astype(np.int64), bits


def _linear(x: NDArray) -> NDArray:
    return np.maximum(1.0 - x, 0.0)


def _cubic(x: NDArray, a: float = -0.5) -> NDArray:
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


_FILTERS = {"bilinear": _linear, "bicubic": _cubic}


@lru_cache(maxsize=256)
def _on_device(
    n_in: int, n_out: int, mode: str, device: torch.device
) -> tuple[torch.Tensor, int]:
    """The weights as a matrix in which the sums are exact."""
    weights, bits = integer_weights(n_in, n_out, mode)
    largest = 255 * int(np.abs(weights).sum(axis=1).max()) + 2 ** max(bits - 1, 0)
    dtype = torch.float32 if largest < _EXACT else torch.float64
    return torch.from_numpy(weights).to(device, dtype), bits


def _round(sums: torch.Tensor, bits: int) -> torch.Tensor:
    """Scale sums back to grey levels, in place."""
    half = math.ldexp(0.5, bits) if bits else 0.0
    return sums.add_(half).mul_(math.ldexp(1.0, -bits)).floor_().clamp_(0, 255)
