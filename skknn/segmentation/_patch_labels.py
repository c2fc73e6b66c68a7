"""Masks -> soft labels of the positions of a feature map."""

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def patch_labels(
    codes: NDArray[np.integer], grid: tuple[int, int], n_classes: int
) -> tuple[sp.csr_array, NDArray[np.intp]]:
    """Share of each class in every tile of a mask.

    Parameters
    ----------
    codes : ndarray of shape (H, W)
        Class numbers below ``n_classes``; negative ones are void.
    grid : (height, width)
        Tiles. Where their borders cut pixels, pixels count by their areas.
    n_classes : int

    Returns
    -------
    labels : sparse array of shape (n_kept, n_classes), float32
        Rows sum to 1: void pixels do not count.
    kept : ndarray of shape (n_kept,)
        Numbers of the tiles, row by row, that are not all void.
    """
    rows, columns = (_overlaps(n, m) for n, m in zip(codes.shape, grid))
    present = np.unique(codes)
    present = present[present >= 0]
    shares = np.empty((grid[0] * grid[1], len(present)))
    for i, label in enumerate(present):
        shares[:, i] = (rows @ (codes == label) @ columns.T).reshape(-1)
    total = shares.sum(axis=1)
    kept = np.flatnonzero(total > 1e-9 * codes.size / total.size)
    shares = shares[kept] / total[kept, None]
    tile, column = np.nonzero(shares)
    values = shares[tile, column].astype(np.float32)
    shape = len(kept), n_classes
    return sp.csr_array((values, (tile, present[column])), shape=shape), kept


@lru_cache(maxsize=16)
def _overlaps(n_pixels: int, n_tiles: int) -> NDArray[np.float64]:
    """Length of every pixel within every tile along one axis, (n_tiles, n_pixels)."""
    edges = np.arange(n_tiles + 1) * (n_pixels / n_tiles)
    pixels = np.arange(n_pixels)
    ends = np.minimum(edges[1:, None], pixels + 1)
    starts = np.maximum(edges[:-1, None], pixels)
    return np.clip(ends - starts, 0, None)
