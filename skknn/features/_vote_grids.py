"""Weights, numbers of neighbours and temperatures to choose from, checked."""

import numbers
from typing import Any

import numpy as np


def check_weights(weights: Any) -> list[float]:
    """Return weights as numbers from 0 on.

    Raises
    ------
    ValueError
        If they are none.
    """
    values = np.asarray(weights)
    good = values.ndim == 1 and len(values) and values.dtype.kind in "iuf"
    if not good or not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(
            f"weights={weights!r} must be finite numbers from 0 on, such as "
            "(0, 0.25, 0.5, 1, 2)."
        )
    return [float(value) for value in values]


def check_n_neighbors(n_neighbors: Any) -> list[int]:
    """Return ascending numbers of neighbours: those given, or some up to one.

    Raises
    ------
    ValueError
        If they are no whole numbers above 0.
    """
    if isinstance(n_neighbors, numbers.Integral):
        some = np.geomspace(1, int(n_neighbors), 8).round().astype(int)
        return np.unique(some).tolist()
    values = np.asarray(n_neighbors)
    good = values.ndim == 1 and len(values) and values.dtype.kind in "iu"
    if not good or values.min() < 1:
        raise ValueError(
            f"n_neighbors={n_neighbors!r} must be a whole number above 0, or several "
            "of them."
        )
    return np.unique(values).tolist()


def check_tau(tau: Any) -> list[float] | None:
    """Return ascending temperatures, or None for "auto".

    Raises
    ------
    ValueError
        If they are no numbers above 0.
    """
    if isinstance(tau, str):
        return None
    values = np.atleast_1d(np.asarray(tau))
    good = values.ndim == 1 and len(values) and values.dtype.kind in "iuf"
    if not good or not values.min() > 0:
        raise ValueError(
            f"tau={tau!r} must be 'auto', a number above 0, or several of them."
        )
    return np.unique(values).astype(float).tolist()
