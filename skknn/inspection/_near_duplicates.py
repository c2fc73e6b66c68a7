"""Pairs of rows that are nearly the same."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The neighbour whose distance is the usual one of a row: farther than its copies are,
# unless there are as many.
_USUAL = 10


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, most alike first; ``first`` is the lower row of each.

    Attributes
    ----------
    first, second : ndarray of shape (n_pairs,), intp
    similarity : ndarray of shape (n_pairs,), float64
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    similarity: NDArray[np.float64]


def near_duplicates(
    distances: NDArray[np.float64],
    ids: NDArray[np.intp],
    typical: float,
    ratio: float,
) -> Pairs:
    """Pairs of rows much nearer to each other than either is to others, each once.

    Photos of few classes are all more alike than those of many, and copies in another
    format farther apart than in the same one: so there is no one distance for all.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, k)
        Squared distances of each row's nearest rows.
    ids : ndarray of shape (n_samples, k), int
    typical : float
        Squared distance between two rows drawn at random.
    ratio : float
        Most distance of copies, in units of that to the tenth nearest row, of both.

    Returns
    -------
    Pairs
        Similarities are 1 - distance / typical: for rows of length 1 around 0, their
        cosine.
    """
    usual = distances[:, min(_USUAL, distances.shape[1]) - 1]
    limit = ratio * np.minimum(usual[:, None], usual[ids])
    rows, places = np.nonzero(distances <= limit)
    others = ids[rows, places]
    pairs = np.column_stack([np.minimum(rows, others), np.maximum(rows, others)])
    values = 1 - distances[rows, places] / (typical or 1.0)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    order = np.argsort(-values[first], kind="stable")
    return Pairs(pairs[order, 0], pairs[order, 1], values[first][order])
