"""Rows of blocks: centred, of unit length, weighed."""

import numpy as np
from numpy.typing import NDArray

from ..datastore import Preprocessor
from ._column_blocks import Columns


def mean_or_zero(rows: NDArray, center: bool) -> NDArray:
    """Return what rows lose before blocks are brought to unit length."""
    if not center:
        return np.zeros(rows.shape[1], rows.dtype)
    mean: NDArray = Preprocessor("center-l2").fit(rows).mean_
    return mean.astype(rows.dtype)


def unit_rows(block: NDArray) -> NDArray:
    """Return rows of unit length; zero rows stay zero."""
    return Preprocessor("l2").transform(block)


def weigh(
    centred: NDArray, columns: Columns, weights: dict[str, float]
) -> NDArray[np.float32]:
    """Return unit blocks times the root of their share of the weights.

    Parameters
    ----------
    centred : ndarray of shape (n, n_features)
    columns : dict block -> column numbers
    weights : dict block -> float
        Blocks of weight 0 are left out.

    Returns
    -------
    ndarray of shape (n, width of the blocks that are left), float32
    """
    total = sum(weights.values())
    parts = [
        np.sqrt(weights[name] / total) * unit_rows(centred[:, part])
        for name, part in columns.items()
        if weights[name]
    ]
    return np.hstack(parts).astype(np.float32)
