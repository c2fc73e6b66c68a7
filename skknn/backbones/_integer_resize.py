"""8-bit resizing as matrix products on a device, with the bytes of torch or of Pillow.

On a CPU both resize whole grey levels in integer arithmetic, first along the width, then
along the height: weights are scaled by a power of two and rounded, the weighted sum is
rounded to a grey level after each pass. Sums of such integers are exact in float64, so
two products with matrices of them give the same bytes on any device.

Boxes are cut by the weights themselves, which are zero outside: all boxes of an image, and
of all images of one size, are resized by two products.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

# Bytes of float64 between the two passes.
_BETWEEN = 2**29


@dataclass(frozen=True)
class Arithmetic:
    """How many bits the weights of one library have."""

    most_bits: int
    # Where weights must fit a signed integer: none larger than this once scaled.
    limit: float


#: ``torch.nn.functional.interpolate(antialias=True)`` of uint8 on a CPU: 16 bits.
TORCH = Arithmetic(most_bits=22, limit=2.0**15)
#: ``PIL.Image.resize`` of 8-bit images: always 22 bits.
PILLOW = Arithmetic(most_bits=22, limit=math.inf)

Box = tuple[int, int, int, int]


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
        On a device that has float64.
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
    """
    n, channels, height, width = pixels.shape
    left, top, right, bottom = window or (0, 0, size[1], size[0])
    columns = _weights(
        tuple((box[0], box[2]) for box in boxes),
        *(width, size[1], (left, right), mode, arithmetic, pixels.device),
    )
    rows = _weights(
        tuple((box[1], box[3]) for box in boxes),
        *(height, size[0], (top, bottom), mode, arithmetic, pixels.device),
    )
    out = torch.empty(
        (n, len(boxes), channels, bottom - top, right - left),
        dtype=torch.uint8,
        device=pixels.device,
    )
    between = 8 * len(boxes) * (right - left) * channels * height
    step = max(1, _BETWEEN // between)
    for start in range(0, n, step):
        part = pixels[start : start + step]
        # Laid out so that neither product needs a copy of the other's result.
        flat = part.reshape(-1, width).double()
        wide = columns.apply(columns.matrix.flatten(0, 1) @ flat.mT)
        high = rows.apply(wide.view(len(boxes), -1, height) @ rows.matrix.mT)
        high = high.view(len(boxes), right - left, len(part), channels, bottom - top)
        out[start : start + step] = high.permute(2, 0, 3, 4, 1)
    return out


@dataclass(frozen=True)
class _Pass:
    """Integer weights (boxes, n_out, n_in) as float64, and two powers of two a box."""

    matrix: torch.Tensor
    half: torch.Tensor
    unit: torch.Tensor

    def apply(self, sums: torch.Tensor) -> torch.Tensor:
        """Scale sums, boxes along the first axis, back to grey levels, in place."""
        by_box = sums.view(len(self.matrix), -1)
        by_box.add_(self.half).mul_(self.unit).floor_().clamp_(0, 255)
        return sums


@lru_cache(maxsize=512)
def _weights(
    spans: tuple[tuple[int, int], ...],
    n_in: int,
    n_out: int,
    wanted: tuple[int, int],
    mode: str,
    arithmetic: Arithmetic,
    device: torch.device,
) -> _Pass:
    """Weights of one pass for spans of an axis; computed on the device."""
    bounds = torch.tensor(spans, dtype=torch.float64).to(device, non_blocking=True)
    first, last = bounds[:, :1, None], bounds[:, 1:, None]
    length = last - first
    scale = length / n_out
    widened = scale.clamp_min(1.0)
    places = torch.arange(*wanted, dtype=torch.float64, device=device)[:, None]
    centre = scale * (places + 0.5)
    support = widened * _SUPPORT[mode]
    low = (centre - support + 0.5).trunc().clamp_min(0.0)
    high = torch.minimum((centre + support + 0.5).trunc(), length)
    pixel = torch.arange(n_in, dtype=torch.float64, device=device) - first
    values = _FILTERS[mode](((pixel - centre + 0.5) / widened).abs())
    values = torch.where((pixel >= low) & (pixel < high), values, 0.0)
    values /= values.sum(2, keepdim=True)
    bits = _bits(values.amax((1, 2)), arithmetic)
    unit = torch.exp2(-bits)
    # Rounded half away from zero. Where sizes are the same the weights are 0 and 1.
    whole = (values.abs() * torch.exp2(bits)[:, None, None] + 0.5).floor()
    half = torch.where(bits > 0, torch.exp2(bits - 1), 0.0)
    return _Pass(values.sign() * whole, half[:, None], unit[:, None])


def _bits(largest: torch.Tensor, arithmetic: Arithmetic) -> torch.Tensor:
    """The most bits with which a box's largest weight stays below the limit."""
    bits = torch.arange(1, arithmetic.most_bits + 1, device=largest.device)
    scaled = (largest[:, None] * torch.exp2(bits.double()) + 0.5).floor()
    return (scaled < arithmetic.limit).sum(1).double()


def _linear(x: torch.Tensor) -> torch.Tensor:
    return (1.0 - x).clamp_min(0.0)


def _cubic(x: torch.Tensor, a: float = -0.5) -> torch.Tensor:
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return torch.where(x < 1.0, near, torch.where(x < 2.0, far, 0.0))


_FILTERS = {"bilinear": _linear, "bicubic": _cubic}
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
