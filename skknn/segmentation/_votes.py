"""Neighbours' soft labels -> label maps."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..datastore import vote_weights


def soft_label_votes(
    distances: NDArray, ids: NDArray, labels: sp.csr_array, tau: float
) -> NDArray[np.float64]:
    """Mean of the neighbours' labels, weighted by ``exp(-distance / tau)``.

    Parameters
    ----------
    distances, ids : ndarray of shape (n_queries, k)
        Sorted by distance.
    labels : sparse array of shape (n_bank, n_classes)
        Rows sum to 1.
    tau : float
        In units of the distances; ``inf`` gives equal weights.

    Returns
    -------
    ndarray of shape (n_queries, n_classes)
    """
    weights = vote_weights(distances, tau)
    weights /= weights.sum(axis=1, keepdims=True)
    n_queries, k = ids.shape
    # A sparse product adds labels of a few classes each, and gathers no features.
    starts = np.arange(0, n_queries * k + 1, k)
    shape = n_queries, labels.shape[0]
    table = sp.csr_array((weights.ravel(), ids.ravel(), starts), shape=shape)
    return (table @ labels).toarray()


def walk_settings(
    distances: NDArray,
    ids: NDArray,
    labels: sp.csr_array,
    n_neighbors: Sequence[int],
    taus: Sequence[float],
) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Votes for every k and tau, from one search at the largest k."""
    for i, k in enumerate(n_neighbors):
        for j, tau in enumerate(taus):
            yield i, j, soft_label_votes(distances[:, :k], ids[:, :k], labels, tau)
