"""R, Eq. 5: votes and base probabilities in given shares."""

import numpy as np


def mix_proba(votes, base, lam):
    """``lam * votes + (1 - lam) * base``.

    Parameters
    ----------
    votes : ndarray of shape (n_queries, n_classes), float64
    base : ndarray of shape (n_queries, n_classes), float64 or float32
    lam : float
        From 0 to 1; at the ends the one side is returned as it is.

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
        Rows sum to 1 within the rounding of the dtype.
    """
    if lam == 0:
        return base
    if lam == 1:
        return votes
    return lam * votes + (1 - lam) * mixable(base)


def mixable(base):
    """Base probabilities in the form that is mixed: float64 rows that sum to 1.

    Rows of float32 sum to 1 within 1e-7 only, which scorers warn about in float64.
    """
    if base.dtype == np.float64:
        return base
    base = base.astype(np.float64)
    base /= base.sum(axis=1, keepdims=True)
    return base
