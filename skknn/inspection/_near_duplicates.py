"""Pairs of rows that are nearly the same."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Cosine of centred rows of the default backbone from which on photos are copies.
SIMILAR = 0.9


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
    least: float,
) -> Pairs:
    """Pairs of rows at least so similar, each once.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, k)
        Squared distances of each row's nearest rows.
    ids : ndarray of shape (n_samples, k), int
    typical : float
        Squared distance between two rows drawn at random.
    least : float
        Least similarity, 1 - distance / typical: for rows of length 1 around 0, their
        cosine.

    Returns
    -------
    Pairs
    """
    similarity = 1 - distances / typical if typical > 0 else np.ones(distances.shape)
    rows, places = np.nonzero(similarity >= least)
    others = ids[rows, places]
    pairs = np.column_stack([np.minimum(rows, others), np.maximum(rows, others)])
    values = similarity[rows, places]
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    order = np.argsort(-values[first], kind="stable")
    return Pairs(pairs[order, 0], pairs[order, 1], values[first][order])
