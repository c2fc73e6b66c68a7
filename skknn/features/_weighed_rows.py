"""Rows of blocks: centred, of unit length, weighed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from ..datastore import Preprocessor
from ..utils._bad_values import with_place
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


def checked_rows(estimator: Any, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
    """Check a float matrix; an error over a bad value says where it is.

    Parameters
    ----------
    estimator : BlockWeights
    X : array-like of shape (n, width)
    reset : bool
        Whether to note number and names of columns on ``estimator`` in place of
        comparing with them.

    Returns
    -------
    ndarray of shape (n, width), float32 or float64
    """
    try:
        return validate_data(estimator, X, dtype=[np.float32, np.float64], reset=reset)
    except ValueError as error:
        raise with_place(error, X) from None
