"""From sorted neighbours to class probabilities.

Votes are added one neighbour after the other, nearest first, and divided by the
running sum of all weights. Every caller therefore gets the same bits, whether it
asks for one ``k`` or walks through many.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Queries handled at a time: their table of votes stays in the L2 cache.
_BLOCK = 256
# Queries transposed at a time: four times faster than all at once.
_TURNED = 32


def sorted_gaps(distances: NDArray) -> NDArray[np.float64]:
    """How much farther than the nearest one each neighbour is, (k, n_queries).

    Votes need no more: subtracting the nearest distance changes no probability, and
    keeps the nearest weight at 1, where ``exp(-d / tau)`` would underflow for small
    ``tau``. Neighbours come first, so that sums over them run along whole rows of
    memory. ``distances`` (n_queries, k) ascend in each row.
    """
    gaps = np.empty(distances.shape[::-1])
    for start in range(0, len(distances), _TURNED):
        rows = slice(start, start + _TURNED)
        gaps[:, rows] = (distances[rows] - distances[rows, :1]).T
    return gaps


def vote_weights(distances: NDArray, tau: float) -> NDArray[np.float64]:
    """Unnormalised weights ``exp(-(d - d_nearest) / tau)``, (n_queries, k)."""
    return _weights(sorted_gaps(distances), tau).T


def soft_votes(
    distances: NDArray, labels: NDArray, tau: float, n_classes: int
) -> NDArray[np.float64]:
    """Class probabilities (n_queries, n_classes) from neighbours sorted by distance.

    Distances and labels, the neighbours' class numbers, are (n_queries, k). The
    temperature ``tau`` is in the units of distances; ``inf`` gives equal weights.
    """
    gaps = sorted_gaps(distances)
    return next(walk_soft_votes(gaps, labels.T, tau, n_classes, [len(gaps)]))


def walk_soft_votes(
    gaps: NDArray,
    labels: NDArray,
    tau: float,
    n_classes: int,
    n_neighbors: Sequence[int],
) -> Iterator[NDArray[np.float64]]:
    """:func:`soft_votes` for ascending ``n_neighbors``, at the cost of the last.

    ``gaps`` and ``labels`` are (k_max, n_queries). The same bits as for each k alone.
    """
    n_queries, done = gaps.shape[1], 0
    votes, total = np.zeros((n_queries, n_classes)), np.zeros(n_queries)
    for k in n_neighbors:
        for start in range(0, n_queries, _BLOCK):
            rows = slice(start, start + _BLOCK)
            weights = _weights(gaps[done:k, rows], tau)
            part = votes[rows].reshape(-1)
            places = labels[done:k, rows] + n_classes * np.arange(weights.shape[1])
            np.add.at(part, places.reshape(-1), weights.reshape(-1))
            _add_up(weights, total[rows])
        done = k
        yield votes / total[:, None]


def true_class_votes(
    distances: NDArray, agree: NDArray, tau: float
) -> NDArray[np.float64]:
    """Probability that the neighbours give to one class of each row, (n_queries,).

    ``agree`` (n_queries, k) says whether a neighbour has the class in question.
    """
    gaps = sorted_gaps(distances)
    return next(walk_true_class_votes(gaps, agree.T, tau, [len(gaps)]))


def walk_true_class_votes(
    gaps: NDArray, agree: NDArray, tau: float, n_neighbors: Sequence[int]
) -> Iterator[NDArray[np.float64]]:
    """:func:`true_class_votes` as :func:`walk_soft_votes` walks."""
    n_queries, done = gaps.shape[1], 0
    own, total = np.zeros(n_queries), np.zeros(n_queries)
    for k in n_neighbors:
        for start in range(0, n_queries, _BLOCK):
            rows = slice(start, start + _BLOCK)
            weights = _weights(gaps[done:k, rows], tau)
            agreeing = weights * agree[done:k, rows]
            _add_up(weights, total[rows])
            _add_up(agreeing, own[rows])
        done = k
        yield own / total


def _weights(gaps: NDArray, tau: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore", under="ignore"):
        weights = np.divide(gaps, -tau)
        return np.exp(weights, out=weights)


def _add_up(weights: NDArray, sums: NDArray) -> None:
    """Add rows of ``weights``, one after the other, to ``sums`` in place."""
    weights[0] += sums
    np.add.reduce(weights, axis=0, out=sums)
