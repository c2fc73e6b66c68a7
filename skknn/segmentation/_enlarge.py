"""Label maps at the size of their image."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Numbers of the enlarged map that are there at a time when only classes are wanted.
_BLOCK = 1 << 22


def enlarge(proba: NDArray, size: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate maps (h, w, C) bilinearly to (H, W, C).

    Pixels are areas: corners are not aligned, borders are repeated.
    """
    height, width = size
    out = np.empty((height, width, proba.shape[2]), dtype=np.float32)
    for rows, block in _strips(proba, size, height):
        out[rows] = block
    return out


def enlarged_argmax(proba: NDArray, size: tuple[int, int]) -> NDArray[np.intp]:
    """Return the most probable class of every pixel, a few rows at a time."""
    out = np.empty(size, dtype=np.intp)
    n_rows = max(1, _BLOCK // (size[1] * proba.shape[2]))
    for rows, block in _strips(proba, size, n_rows):
        out[rows] = block.argmax(axis=2)
    return out


def _strips(
    proba: NDArray, size: tuple[int, int], n_rows: int
) -> Iterator[tuple[slice, NDArray]]:
    h, w, n_classes = proba.shape
    down, across = _weights(h, size[0]), _weights(w, size[1])
    flat = proba.astype(np.float64).reshape(h, -1)
    for start in range(0, size[0], n_rows):
        rows = slice(start, min(start + n_rows, size[0]))
        tall = (down[rows] @ flat).reshape(-1, w, n_classes)
        wide = across @ tall.transpose(1, 0, 2).reshape(w, -1)
        yield rows, wide.reshape(size[1], -1, n_classes).transpose(1, 0, 2)


@lru_cache(maxsize=16)
def _weights(n_from: int, n_to: int) -> sp.csr_array:
    """Interpolation along one axis, (n_to, n_from)."""
    place = np.clip((np.arange(n_to) + 0.5) * (n_from / n_to) - 0.5, 0, n_from - 1)
    low = np.floor(place).astype(np.intp)
    high, part = np.minimum(low + 1, n_from - 1), place - low
    pixel = np.arange(n_to)
    entries = np.r_[1 - part, part], (np.r_[pixel, pixel], np.r_[low, high])
    return sp.csr_array(entries, shape=(n_to, n_from))
