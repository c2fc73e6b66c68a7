"""From sorted neighbours to class probabilities (R, Eq. 1 and 2).

Votes are added one neighbour after the other, nearest first, and divided by the
running sum of all weights. Every caller therefore gets the same bits, whether it
asks for one ``k`` or walks through many.
"""

import numpy as np

# Neighbours handled at a time: bounds temporaries to tens of MB.
_BLOCK = 1 << 20


def vote_weights(distances, tau):
    """Unnormalised weights ``exp(-(d - d_nearest) / tau)``.

    Shifting by the nearest distance changes no probability and keeps the nearest
    weight at 1, where ``exp(-d / tau)`` would underflow for small ``tau``.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k), float64
        Ascending in each row.
    tau : float
        Temperature, in the units of ``distances``; ``inf`` gives equal weights.

    Returns
    -------
    ndarray of shape (n_queries, k), float64
    """
    shifted = distances - distances[:, :1]
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(-(shifted / tau))


def soft_votes(distances, labels, tau, n_classes):
    """Class probabilities from neighbours sorted by distance.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k), float64
    labels : ndarray of shape (n_queries, k), int
        Class number of each neighbour.
    tau : float
    n_classes : int

    Returns
    -------
    ndarray of shape (n_queries, n_classes), float64
        Rows sum to 1.
    """
    n_queries, k = distances.shape
    votes = np.zeros((n_queries, n_classes))
    block = max(1, _BLOCK // k)
    for start in range(0, n_queries, block):
        part = votes[start : start + block]
        weights = vote_weights(distances[start : start + block], tau)
        flat = labels[start : start + block] + n_classes * np.arange(len(part))[:, None]
        np.add.at(part.reshape(-1), flat.reshape(-1), weights.reshape(-1))
        part /= np.cumsum(weights, axis=1)[:, -1:]
    return votes


def true_class_votes(distances, agree, tau):
    """Probability that the neighbours give to one class of each row.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k), float64
    agree : ndarray of shape (n_queries, k), bool
        Whether the neighbour has the class in question.
    tau : float

    Returns
    -------
    ndarray of shape (n_queries,), float64
    """
    n_queries, k = distances.shape
    proba = np.empty(n_queries)
    block = max(1, _BLOCK // k)
    for start in range(0, n_queries, block):
        rows = slice(start, start + block)
        weights = vote_weights(distances[rows], tau)
        total = np.cumsum(weights, axis=1)[:, -1]
        proba[rows] = np.cumsum(weights * agree[rows], axis=1)[:, -1] / total
    return proba
