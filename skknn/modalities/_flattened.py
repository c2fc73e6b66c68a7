"""Flattened images: 2-D tables of numbers -> RGB images."""

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from ..utils._warn import warn
from ._images import ImageContent, ImageSource


class FlattenedImages(ImageSource):
    """The rows of a 2-D array, each one flattened image.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    shape : tuple (h, w) or (h, w, c)
        Image shape; rows shorter than ``h * w * c`` are padded with zeros.
    value_range : tuple (low, high)
        The values that become black and white.
    """

    def __init__(
        self, X: NDArray, shape: tuple[int, ...], value_range: tuple[float, float]
    ) -> None:
        low, high = value_range
        outside = (X < low) | (X > high)
        if outside.any():
            rows = np.flatnonzero(outside.any(axis=1))
            warn(
                f"{int(outside.sum())} values in {len(rows)} of {len(X)} rows (first: "
                f"row {rows[0]}) lie outside [{low:g}, {high:g}], the range of the "
                "rows seen in fit, and are clipped to it. Fit on rows that cover the "
                "range, or pass images as uint8."
            )
        super().__init__(X)
        self.shape = shape
        self.value_range = value_range

    def fetch(self, row: int) -> ImageContent:
        """Return the 8-bit pixels of one row."""
        # One image at a time, so that memory does not grow with the rows.
        low, high = self.value_range
        values = np.asarray(self._items[row], dtype=np.float64)
        span = high - low
        scaled = np.zeros(values.shape) if span == 0 else (values - low) / span
        pixels = np.rint(np.clip(scaled, 0.0, 1.0) * 255.0).astype(np.uint8)
        size = int(np.prod(self.shape))
        if size > pixels.size:
            pixels = np.concatenate([pixels, np.zeros(size - pixels.size, np.uint8)])
        return ImageContent(pixels.reshape(self.shape))


def guess_image_shape(n_features: int) -> tuple[tuple[int, ...], bool]:
    """Guess the shape of flattened images from the length of a row.

    Exact squares are grey images, three times a square is (h, w, 3); anything
    else is padded with zeros to the next square.

    Returns
    -------
    shape : tuple of int
    padded : bool
    """
    side = isqrt(n_features)
    if side * side == n_features:
        return (side, side), False
    side = isqrt(n_features // 3)
    if 3 * side * side == n_features:
        return (side, side, 3), False
    side = isqrt(n_features - 1) + 1
    return (side, side), True


def resolve_image_shape(
    image_shape: Sequence[int] | None, n_features: int
) -> tuple[int, ...]:
    """Return the image shape of rows of length ``n_features``.

    Raises
    ------
    ValueError
        If ``image_shape`` is not (h, w) or (h, w, c) with product ``n_features``.
    """
    if image_shape is None:
        shape, padded = guess_image_shape(n_features)
        if padded:
            warn(
                f"Rows of {n_features} values are no square image, grey or RGB; they "
                f"are padded with zeros to {shape[0]} x {shape[1]}. Pass "
                "image_shape=(height, width) or (height, width, channels). Rows of "
                "features, as another transformer gives them, are no images: pass the "
                "images themselves."
            )
        return shape
    shape = tuple(int(length) for length in image_shape)
    if (
        len(shape) not in (2, 3)
        or min(shape) < 1
        or (len(shape) == 3 and shape[2] not in (1, 3, 4))
    ):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (height, width, "
            "channels) with 1, 3 or 4 channels."
        )
    if int(np.prod(shape)) != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} needs rows of {int(np.prod(shape))} values, "
            f"but X has {n_features} features. Pass the shape that the images had "
            "before they were flattened."
        )
    return shape


def resolve_value_range(X: NDArray) -> tuple[float, float]:
    """Return the values that stand for black and white in rows of pixels.

    8-bit rows keep 0 to 255 and floats within [0, 1] keep 0 to 1; anything else
    takes the smallest and largest value of ``X``.
    """
    if X.dtype == np.uint8:
        return 0.0, 255.0
    if X.dtype.kind == "b":
        return 0.0, 1.0
    low, high = float(X.min()), float(X.max())
    if X.dtype.kind == "f" and low >= 0.0 and high <= 1.0:
        return 0.0, 1.0
    return low, high
