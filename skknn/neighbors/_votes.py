"""From sorted neighbours to class probabilities (R, Eq. 1 and 2).

Votes are added one neighbour after the other, nearest first, and divided by the
running sum of all weights. Every caller therefore gets the same bits, whether it
asks for one ``k`` or walks through many.
"""

import numpy as np

# Neighbours handled at a time: temporaries of 1 MB stay in the L2 cache.
_BLOCK = 1 << 17


def vote_weights(distances, tau, columns=slice(None)):
    """Unnormalised weights ``exp(-(d - d_nearest) / tau)``.

    Shifting by the nearest distance changes no probability and keeps the nearest
    weight at 1, where ``exp(-d / tau)`` would underflow for small ``tau``.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k), float64
        Ascending in each row.
    tau : float
        Temperature, in the units of ``distances``; ``inf`` gives equal weights.
    columns : slice, default=slice(None)
        Neighbours to weigh.

    Returns
    -------
    ndarray of shape (n_queries, n_columns), float64
    """
    weights = distances[:, columns] - distances[:, :1]
    with np.errstate(over="ignore", under="ignore"):
        np.divide(weights, tau, out=weights)
        np.negative(weights, out=weights)
        return np.exp(weights, out=weights)


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
    return next(walk_soft_votes(distances, labels, tau, n_classes, labels.shape[1:]))


def walk_soft_votes(distances, labels, tau, n_classes, n_neighbors):
    """Class probabilities for one k after the other, at the cost of the last.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k_max), float64
    labels : ndarray of shape (n_queries, k_max), int
    tau : float
    n_classes : int
    n_neighbors : sequence of int
        Strictly ascending, at most ``k_max``.

    Yields
    ------
    ndarray of shape (n_queries, n_classes), float64
        For each k, the bits that :func:`soft_votes` gives for the first k columns.
    """
    n_queries = len(distances)
    votes = np.zeros((n_queries, n_classes))
    total = np.zeros(n_queries)
    done = 0
    for k in n_neighbors:
        block = max(1, _BLOCK // (k - done))
        for start in range(0, n_queries, block):
            rows = slice(start, start + block)
            weights = vote_weights(distances[rows], tau, slice(done, k))
            part = votes[rows]
            flat = labels[rows, done:k] + n_classes * np.arange(len(part))[:, None]
            np.add.at(part.reshape(-1), flat.reshape(-1), weights.reshape(-1))
            weights[:, 0] += total[rows]
            total[rows] = np.cumsum(weights, axis=1)[:, -1]
        done = k
        yield votes / total[:, None]


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
    return walk_true_class_votes(distances, agree, tau, agree.shape[1:])[:, 0]


def walk_true_class_votes(distances, agree, tau, n_neighbors):
    """:func:`true_class_votes` for many k, at the cost of the largest.

    Parameters
    ----------
    distances : ndarray of shape (n_queries, k_max), float64
    agree : ndarray of shape (n_queries, k_max), bool
    tau : float
    n_neighbors : sequence of int
        Strictly ascending, at most ``k_max``.

    Returns
    -------
    ndarray of shape (n_queries, len(n_neighbors)), float64
        For each k, the bits that :func:`true_class_votes` gives for the first k
        columns.
    """
    last = np.asarray(n_neighbors) - 1
    proba = np.empty((len(distances), len(last)))
    block = max(1, _BLOCK // n_neighbors[-1])
    for start in range(0, len(distances), block):
        rows = slice(start, start + block)
        columns = slice(n_neighbors[-1])
        weights = vote_weights(distances[rows], tau, columns)
        total = np.cumsum(weights, axis=1)[:, last]
        weights *= agree[rows, columns]
        np.cumsum(weights, axis=1, out=weights)
        np.divide(weights[:, last], total, out=proba[rows])
    return proba
