"""8-bit resizing as matrix products on a device, with the bytes of torch or of Pillow.

On a CPU both resize whole grey levels in integer arithmetic, first along the width,
then along the height: weights are scaled by a power of two and rounded, the weighted
sum is rounded to a grey level after each pass. The same sums as products with a matrix
of those integers are exact in float32 as long as they stay below 2**24, in float64
beyond, so that any device gives the bytes of the CPU. (Dividing the matrix by the
power of two changes no sum.)

Boxes are cut by the weights themselves, which are zero outside: all boxes of an image,
and of all images of one size, are resized by two products.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Bytes of numbers at a time: as much as keeps a card busy.
_AT_ONCE = 2**29
# Whole numbers below this are exact in float32.
_EXACT = 2**24


@dataclass(frozen=True)
class Arithmetic:
    """How many bits the weights of one library have.

    Attributes
    ----------
    most_bits : int
    limit : float
        No weight is larger once it is scaled.
    """

    most_bits: int
    limit: float


#: ``torch.nn.functional.interpolate(antialias=True)`` of uint8 on a CPU: 16 bits.
TORCH = Arithmetic(most_bits=22, limit=2.0**15)
#: ``PIL.Image.resize`` of 8-bit images: always 22 bits.
PILLOW = Arithmetic(most_bits=22, limit=math.inf)

Box = tuple[int, int, int, int]
Span = tuple[int, int]


def resize_boxes(
    pixels: torch.Tensor,
    boxes: tuple[Box, ...],
    size: tuple[int, int],
    mode: str,
    arithmetic: Arithmetic,
    window: Box | None = None,
) -> torch.Tensor:
    """Cut boxes out of images and resize them, with antialiasing.

    Parameters
    ----------
    pixels : uint8 tensor of shape (n, C, H, W)
        On a device that has float64; products of float32 must not be rounded to TF32.
    boxes : tuple of (left, top, right, bottom)
        Whole pixels; the same for all images.
    size : (height, width)
        Of a resized box.
    mode : {"bilinear", "bicubic"}
    arithmetic : Arithmetic
        :data:`TORCH` or :data:`PILLOW`.
    window : (left, top, right, bottom), optional
        Part of the resized box that is wanted; all of it by default.

    Returns
    -------
    uint8 tensor of shape (n, len(boxes), C, height, width)
        With the channels last in memory.
    """
    n, channels, height, width = pixels.shape
    left, top, right, bottom = window or (0, 0, size[1], size[0])
    device = pixels.device
    how = mode, arithmetic, device
    across = tuple((x0, x1) for x0, _, x1, _ in boxes)
    columns = _matrix(width, across, size[1], (left, right), *how).mT
    down = tuple((y0, y1) for _, y0, _, y1 in boxes)
    rows = _matrix(height, down, size[0], (top, bottom), *how)
    wide, high = right - left, bottom - top
    # The channels last, as networks take them soonest.
    shape = n, len(boxes), high, wide, channels
    out = torch.empty(shape, dtype=torch.uint8, device=device)
    each = channels * (height * width + len(boxes) * wide * (height + high))
    step = max(1, _AT_ONCE // (each * columns.element_size()))
    for start in range(0, n, step):
        part = pixels[start : start + step].permute(2, 0, 1, 3)
        # Rows of pixels one below the other, (height * n * C, width), as often as
        # there are boxes; heights first, so that neither result has to be copied.
        lines = part.to(columns.dtype).reshape(1, -1, width)
        levels = torch.bmm(lines.expand(len(boxes), -1, -1), columns)
        levels.add_(0.5).floor_().clamp_(0, 255)
        levels = levels.view(len(boxes), height, -1).to(rows.dtype)
        sums = torch.bmm(rows, levels)
        # Turned to integers, positive numbers lose what is behind the point.
        sums.add_(0.5).clamp_(0, 255)
        sums = sums.view(len(boxes), high, part.shape[1], channels, wide)
        out[start : start + step] = sums.permute(2, 0, 1, 4, 3)
    return out.permute(0, 1, 4, 2, 3)


def integer_weights(
    spans: tuple[Span, ...], n_out: int, mode: str, arithmetic: Arithmetic
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the integer weights of one pass over spans of an axis.

    Parameters
    ----------
    spans : tuple of (first, stop)
    n_out : int
        Pixels that each becomes.
    mode : {"bilinear", "bicubic"}
    arithmetic : Arithmetic

    Returns
    -------
    places : ndarray of shape (spans, n_out, taps)
        Pixels of the axis.
    weights : ndarray of the same shape
        Theirs; 0 where fewer pixels count.
    bits : ndarray of shape (spans,)
        A resized pixel is (sum of weights * pixels + 2 ** (bits - 1)) >> bits, clamped.
    """
    first, stop = np.array(spans, np.float64).T[:, :, None]
    length = stop - first
    scale = length / n_out
    widened = np.maximum(scale, 1.0)
    centre = scale * (np.arange(n_out) + 0.5)
    support = widened * _SUPPORT[mode]
    low = np.maximum(np.trunc(centre - support + 0.5), 0.0)[..., None]
    high = np.minimum(np.trunc(centre + support + 0.5), length)[..., None]
    places = low + np.arange(int((high - low).max()))
    distance = (places - centre[..., None] + 0.5) / widened[..., None]
    values = np.where(places < high, _FILTERS[mode](np.abs(distance)), 0.0)
    values /= values.sum(2, keepdims=True)
    powers = np.arange(1, arithmetic.most_bits + 1)
    largest = values.max((1, 2))[:, None]
    bits = (np.floor(largest * 2.0**powers + 0.5) < arithmetic.limit).sum(1)
    # Rounded half away from zero.
    whole = np.floor(np.abs(values) * 2.0 ** bits[:, None, None] + 0.5)
    places = np.minimum(places, high - 1) + first[..., None]
    return places.astype(np.int64), (np.sign(values) * whole).astype(np.int64), bits


def _matrix(n_in: int, *what: Any) -> torch.Tensor:
    """Return weights (spans, wanted, n_in), divided by their powers of two.

    In a format in which a pass over the axis is exact. Made anew every time: what
    is kept of many sizes is few numbers beside it.

    Parameters
    ----------
    n_in : int
    *what : object
        As of :func:`_on_device`.
    """
    places, values = _on_device(*what)
    matrix = values.new_zeros(*places.shape[:2], n_in)
    # Places without weight add 0 to another's.
    return matrix.scatter_add_(2, places, values)


@lru_cache(maxsize=256)
def _on_device(
    spans: tuple[Span, ...],
    n_out: int,
    wanted: Span,
    mode: str,
    arithmetic: Arithmetic,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Places and weights (spans, wanted, taps); of ``n_out`` pixels some are wanted."""
    places, weights, bits = integer_weights(spans, n_out, mode, arithmetic)
    places, weights = places[:, slice(*wanted)], weights[:, slice(*wanted)]
    largest = 255 * np.abs(weights).sum(2).max() + 2 ** (bits.max() - 1)
    dtype = torch.float32 if largest < _EXACT else torch.float64
    values = torch.from_numpy(np.ldexp(weights, -bits[:, None, None])).to(dtype)
    both = torch.from_numpy(np.ascontiguousarray(places)), values
    if device.type == "cuda":
        # From memory that the device fetches by itself, which waits for nothing.
        both = both[0].pin_memory(), both[1].pin_memory()
    return both[0].to(device, non_blocking=True), both[1].to(device, non_blocking=True)


def _linear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - x, 0.0)


def _cubic(x: NDArray[np.float64], a: float = -0.5) -> NDArray[np.float64]:
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


_FILTERS = {"bilinear": _linear, "bicubic": _cubic}
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
