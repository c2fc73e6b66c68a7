"""Crops and windows of decoded images, as batched 8-bit tensors.

Views are whole grey levels, like everything else the network is fed with, and have
the same bytes wherever they are made.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from PIL import Image


class Frame:
    """The size that views get and how pixels are resized.

    Parameters
    ----------
    size : (height, width)
        The model's input size.
    view_size : (height, width), optional
        Size of local crops and windows; ``size`` unless given.
    interpolation : str, default="bicubic"
        "bilinear", or anything else for "bicubic".

    Attributes
    ----------
    size, view_size : (height, width)
    mode : {"bilinear", "bicubic"}

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skknn.gradients.views import Frame, draw_boxes
    >>> frame, image = Frame((32, 32)), Image.new("RGB", (60, 40))
    >>> boxes = draw_boxes(np.random.default_rng(0), 5, (0.05, 0.25))
    >>> frame.crops(frame.pixels(image), boxes, frame.view_size).shape
    torch.Size([5, 3, 32, 32])
    """

    def __init__(
        self,
        size: Iterable[int],
        view_size: Iterable[int] | None = None,
        interpolation: str = "bicubic",
    ) -> None:
        height, width = size
        self.size = height, width
        height, width = self.size if view_size is None else view_size
        self.view_size = height, width
        self.mode = "bilinear" if interpolation == "bilinear" else "bicubic"

    def pixels(self, image: "Image.Image") -> "torch.Tensor":
        """Return an 8-bit RGB PIL image as a uint8 tensor (3, H, W)."""
        import torch

        # Channels last in memory: torch has a fast 8-bit resize for that.
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def resize(self, pixels: "torch.Tensor", size: tuple[int, int]) -> "torch.Tensor":
        """Resize with antialiasing; the same bytes on every device.

        Parameters
        ----------
        pixels : uint8 tensor of shape (..., 3, h, w)
        size : (height, width)

        Returns
        -------
        uint8 tensor of shape (..., 3, height, width)
        """
        import torch
        from torch.nn.functional import interpolate

        if tuple(pixels.shape[-2:]) == tuple(size):
            return pixels
        if pixels.device.type == "cuda":
            from ...backbones._integer_resize import TORCH, resize_boxes

            whole = (0, 0, pixels.shape[-1], pixels.shape[-2])
            flat = pixels.flatten(0, -4)
            flat = resize_boxes(flat, (whole,), size, self.mode, TORCH)
            return flat[:, 0].unflatten(0, pixels.shape[:-3])
        if pixels.device.type != "cpu":
            return self.resize(pixels.cpu(), size).to(pixels.device)
        flat = pixels.flatten(0, -4).contiguous(memory_format=torch.channels_last)
        flat = interpolate(flat, size=tuple(size), mode=self.mode, antialias=True)
        return flat.unflatten(0, pixels.shape[:-3])

    def crops(
        self, pixels: "torch.Tensor", boxes: NDArray, size: tuple[int, int]
    ) -> "torch.Tensor":
        """Cut relative boxes, then resize what was cut.

        Parameters
        ----------
        pixels : uint8 tensor of shape (3, H, W) or (N, 3, H, W)
        boxes : array of shape (n, 4)
            As :func:`draw_boxes` gives them.
        size : (height, width)

        Returns
        -------
        uint8 tensor of shape (n, 3, height, width) or (N, n, 3, height, width)
        """
        import torch

        height, width = pixels.shape[-2:]
        whole = []
        for x0, y0, x1, y1 in boxes:
            left, right = _span(x0, x1, width)
            top, bottom = _span(y0, y1, height)
            whole.append((left, top, right, bottom))
        flat = pixels if pixels.ndim > 3 else pixels[None]
        if pixels.device.type == "cuda" and whole:
            from ...backbones._integer_resize import TORCH, resize_boxes

            views = resize_boxes(flat, tuple(whole), size, self.mode, TORCH)
        else:
            # Channels last, as the resized crops come.
            views = torch.empty(
                (len(flat), len(whole), *size, 3),
                dtype=torch.uint8,
                device=pixels.device,
            ).permute(0, 1, 4, 2, 3)
            for image, places in zip(flat, views):
                for (left, top, right, bottom), place in zip(whole, places):
                    part = image[None, :, top:bottom, left:right]
                    place.copy_(self.resize(part, size)[0])
        return views if pixels.ndim > 3 else views[0]


def draw_boxes(
    rng: np.random.Generator,
    count: int,
    scale: tuple[float, float],
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> NDArray[np.float64]:
    """Draw crop boxes relative to the image: area and aspect as in DINO.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    scale : (low, high)
        Fraction of the area, uniform.
    ratio : (low, high)
        Width over height relative to the image's, log-uniform.

    Returns
    -------
    ndarray of shape (count, 4)
        Left, top, right, bottom in [0, 1].
    """
    boxes = np.empty((count, 4))
    for box in boxes:
        while True:
            area = rng.uniform(*scale)
            aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
            width, height = math.sqrt(area * aspect), math.sqrt(area / aspect)
            if width <= 1 and height <= 1:
                break
            # Nearly the whole image fits at its own aspect only.
            if scale[0] > 0.7:
                width = height = math.sqrt(area)
                break
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        box[:] = left, top, left + width, top + height
    return boxes


def window_side(n_views: int) -> int:
    """Return the side of the square grid of windows.

    Raises
    ------
    ValueError
        If ``n_views`` is no square number of at least 4.
    """
    side = math.isqrt(n_views)
    if side < 2 or side * side != n_views:
        raise ValueError(
            f"SimCLRObjective(n_views={n_views}) must be a square number of at least "
            "4 (a grid of windows): 4, 9, 16, 25, 36, 49."
        )
    return side


def cut_windows(pixels: "torch.Tensor", side: int) -> "torch.Tensor":
    """Cut squares into overlapping windows of half their side.

    Parameters
    ----------
    pixels : tensor of shape (..., 3, S, S)
    side : int

    Returns
    -------
    tensor of shape (..., side * side, 3, S / 2, S / 2)
    """
    height, width = pixels.shape[-2:]
    high, wide = max(height // 2, 1), max(width // 2, 1)
    # Stride floor(S / 12) for the 7 x 7 grid of the paper.
    down, right = height // (2 * (side - 1)), width // (2 * (side - 1))
    windows = pixels.unfold(-2, high, max(down, 1)).unfold(-2, wide, max(right, 1))
    if min(windows.shape[-4:-2]) < side:
        raise ValueError(
            f"Views of {height} x {width} pixels are too small for a grid of {side} x "
            f"{side} windows. Use SimCLRObjective(n_views=4) or a larger image_size."
        )
    windows = windows[..., :side, :side, :, :].movedim(-5, -3)
    return windows.flatten(-5, -4)


def _span(start: float, stop: float, length: int) -> tuple[int, int]:
    first = min(int(round(start * length)), length - 1)
    return first, min(max(int(round(stop * length)), first + 1), length)
