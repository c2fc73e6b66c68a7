"""How far computed scores may be from true ones: strict bounds, not estimates."""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: numpy's or torch's.
Array = TypeVar("Array", bound=Any)


def product_error(
    dtype: DTypeLike, norms: NDArray, largest_norm: float, n_features: int
) -> NDArray[np.float64]:
    """Bound of the error of scores ``q.x - |x|^2 / 2`` computed in one dtype.

    Of shifted queries with (n_queries,) ``norms`` and rows, both rounded to the dtype.
    """
    # A dot product of n_features terms, the rounding of the shifted rows, of
    # |x|^2 / 2 and of the final difference.
    unit = float(np.finfo(dtype).eps) / 2
    error = unit * ((n_features + 8) * norms * largest_norm + 4 * largest_norm**2)
    # Products below the smallest normal number may be lost.
    return error + (2 * n_features + 8) * float(np.finfo(dtype).tiny)


def float64_error(
    norms: Array, largest_norm: float, n_features: int, scale: float = 1.0
) -> Array:
    """Bound of all float64 rounding in scores, distances and squares of roots.

    ``scale`` is what rows and queries were multiplied by, if norms are of scaled ones.
    """
    unit = 2.0**-52 * (2 * n_features + 24)
    return (norms + largest_norm) ** 2 * unit + n_features * 2.0**-1022 * scale**2


def power_of_two(value: float) -> float:
    """Power of two that scales ``value`` to at most 1; 1 for 0."""
    if not (0 < value < math.inf):
        return 1.0
    return 2.0 ** max(-1000, min(1000, -math.frexp(value)[1]))
