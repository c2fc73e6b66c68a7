"""Whether two photos show the same pixels, from pictures of 64 x 64 grey ones."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of
from ..utils._threads import n_threads
from ..utils._warn import warn

# Side of the pictures that are kept, and of those that are compared.
_KEPT, _COMPARED = 64, 16
# What of a picture is left, and where: a crop is compared with such parts.
_SHARES = (0.95, 0.9, 0.85, 0.8)
_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)
_FLAT = 1.0  # levels of 255: what varies less shows nothing
_PAIRS = 1 << 12  # compared at a time
_CROPPED_PAIRS = 32

Picture = NDArray[np.uint8]


class SmallPictures:
    """Small grey pictures of photos, read once; a warning counts unreadable ones.

    Parameters
    ----------
    images : sequence of path, PIL image or array
        One a row.
    rows : ndarray of int
        Those that are going to be compared, sorted.
    n_jobs : int or None
        Threads that read.
    """

    def __init__(
        self, images: Sequence[Any], rows: NDArray[np.intp], n_jobs: int | None
    ) -> None:
        self._rows = rows
        with ThreadPoolExecutor(n_threads(n_jobs)) as pool:
            found = list(pool.map(lambda row: _small(images[row]), rows.tolist()))
        self._grey = np.zeros((len(rows), _KEPT, _KEPT), dtype=np.uint8)
        for place, picture in enumerate(found):
            if picture is not None:  # those without one are flat: like no other
                self._grey[place] = picture
        bad = [row for row, picture in zip(rows.tolist(), found) if picture is None]
        if bad:
            warn(
                f"images: {len(bad)} of {len(rows)} photos cannot be read (first: row "
                f"{bad[0]}, {images[bad[0]]!r}), so no picture tells their copies. "
                "Pass paths that can be opened from here, or images=None."
            )

    def alike(
        self, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Correlation of whole pictures, (n_pairs,); 0 where one could not be read."""
        a, b = self._places(first, second)
        out = np.empty(len(a))
        whole = _means(0.0, 1.0)
        small = _standardised(whole @ self._grey @ whole.T)
        for part in blocks_of(len(a), 1, _PAIRS):
            out[part] = np.einsum("ij,ij->i", small[a[part]], small[b[part]])
        return out

    def alike_cropped(
        self, first: NDArray[np.intp], second: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """The same, of either with the part of the other that it is most like."""
        a, b = self._places(first, second)
        out = np.empty(len(a))
        for part in blocks_of(len(a), 1, _CROPPED_PAIRS):
            one, other = (_parts(self._grey[side[part]]) for side in (a, b))
            there = np.einsum("ik,ijk->ij", one[:, 0], other).max(axis=1)
            back = np.einsum("ik,ijk->ij", other[:, 0], one).max(axis=1)
            out[part] = np.maximum(there, back)
        return out

    def _places(self, *rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        return [np.searchsorted(self._rows, each) for each in rows]


def _small(image: Any) -> Picture | None:
    """A photo as a small grey picture; None if it cannot be read."""
    from PIL import Image

    from ..modalities import as_images, thumbnail

    try:
        if isinstance(image, (str, os.PathLike)):
            shown = thumbnail(image, 4 * _KEPT)
        else:
            shown = as_images([image]).item(0).pil()
    except (OSError, ValueError):
        return None
    size = _KEPT, _KEPT
    return np.asarray(shown.convert("L").resize(size, Image.Resampling.BILINEAR))


def _parts(grey: Picture) -> NDArray[np.float64]:
    """Pictures, first whole ones, then all parts, (n, n_parts, n_pixels)."""
    found = []
    for share in (1.0, *_SHARES):
        places = _PLACES if share < 1 else (0.0,)
        sides = [_means(place * (1 - share), share) for place in places]
        for rows in sides:
            lines = rows @ grey
            found += [_standardised(lines @ columns.T) for columns in sides]
    return np.stack(found, axis=1)


def _means(start: float, share: float) -> NDArray[np.float64]:
    """What makes a part of a kept line, from a start, into means."""
    edges = (start + share * np.arange(_COMPARED + 1) / _COMPARED) * _KEPT
    pixels = np.arange(_KEPT)
    ends = np.minimum(edges[1:, None], pixels + 1)
    inside = np.maximum(ends - np.maximum(edges[:-1, None], pixels), 0)
    return inside / inside.sum(axis=1, keepdims=True)


def _standardised(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pictures as rows of mean 0 and length 1; flat ones are 0."""
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths < _FLAT * _COMPARED
    return np.where(flat, 0, rows / np.where(flat, 1, lengths))
