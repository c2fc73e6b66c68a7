"""How far computed scores may be from true ones: strict bounds, not estimates."""

import math

import numpy as np

# What a term may lose below the smallest normal number of float32, generously.
LOST = 2.0**-120


def product_error(dtype, norms, peak, n_features):
    """Bound of the error of scores ``q.x - |x|^2 / 2`` computed in one dtype.

    Parameters
    ----------
    dtype : numpy dtype
        float32 or float64; rows may have been shifted and rounded to it.
    norms : ndarray of shape (n_queries,)
        Norms of the shifted queries.
    peak : float
        At least the largest norm of a shifted row.
    n_features : int

    Returns
    -------
    ndarray of shape (n_queries,)
    """
    # A dot product of n_features terms, the rounding of the shifted rows, of
    # |x|^2 / 2 and of the final difference.
    unit = np.finfo(dtype).eps / 2
    error = unit * ((n_features + 8) * norms * peak + 4 * peak**2)
    # Products below the smallest normal number may be lost.
    return error + (2 * n_features + 8) * np.finfo(dtype).tiny


def float64_error(norms, peak, n_features):
    """Bound of all float64 rounding in scores and in distances by differences.

    Parameters and return value as in :func:`product_error`.
    """
    unit = np.finfo(np.float64).eps
    lost = n_features * np.finfo(np.float64).tiny
    return unit * (2 * n_features + 16) * (norms + peak) ** 2 + lost


def power_of_two(value):
    """Power of two that scales ``value`` to at most 1; 1 for 0."""
    if not (0 < value < math.inf):
        return 1.0
    return 2.0 ** max(-1000, min(1000, -math.frexp(value)[1]))


def query_scales(norms, row_scale):
    """Powers of two for queries, whose base is scaled by ``row_scale``.

    Queries far shorter than the base are not scaled up to 1, because the terms
    ``-|x|^2 / 2`` of their scores are scaled along with them.
    """
    return np.minimum([power_of_two(norm) for norm in norms], row_scale * 2.0**30)


def largest_norm(rows):
    """At least the largest norm of float64 rows."""
    return math.sqrt(np.einsum("ij,ij->i", rows, rows).max()) * (1 + 1e-12)
