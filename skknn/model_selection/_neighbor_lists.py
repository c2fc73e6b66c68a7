"""Sorted neighbours of many rows, kept for every k and tau."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifiers import LabelledIndex, count_rows, neighbor_blocks
from ..datastore import sorted_gaps, walk_soft_votes, walk_true_class_votes
from ._predictions import Predictions


class NeighborLists:
    """The k nearest training rows of some rows: distances and class numbers.

    Memory: 9 to 12 bytes a neighbour, 5 to 8 more for predictions.

    Parameters
    ----------
    index : LabelledIndex
    queries : ndarray or csr matrix of shape (n_queries, n_features), or None
        Checked rows. None means the training rows, each without itself.
    k : int
        Clipped to the rows there are.
    """

    def __init__(self, index: LabelledIndex, queries: Any, k: int) -> None:
        n_queries = count_rows(index, queries)
        self.n_classes = index.n_classes
        self.k = min(k, index.n_voters(queries))
        self.gaps = np.empty((self.k, n_queries))
        codes = index.codes.astype(np.min_scalar_type(self.n_classes))
        self.labels = np.empty((self.k, n_queries), dtype=codes.dtype)
        self._predictions: Any = None
        for part, distances, ids in neighbor_blocks(index, queries, self.k):
            self.gaps[:, part] = sorted_gaps(distances)
            self.labels[:, part] = codes[ids].T

    def votes(
        self, tau: float, n_neighbors: Iterable[int]
    ) -> Iterator[NDArray[np.float64]]:
        """Class probabilities for one k after the other.

        Parameters
        ----------
        tau : float
        n_neighbors : iterable of int
            Strictly ascending.

        Returns
        -------
        iterator of ndarray of shape (n_queries, n_classes), float64
        """
        return self._walk(
            lambda ks: walk_soft_votes(self.gaps, self.labels, tau, self.n_classes, ks),
            n_neighbors,
        )

    def predictions(
        self, tau: float, n_neighbors: Iterable[int]
    ) -> Iterator[NDArray[np.integer]]:
        """Class numbers of the most probable classes, for one k after the other.

        Parameters
        ----------
        tau : float
        n_neighbors : iterable of int
            Strictly ascending.

        Returns
        -------
        iterator of ndarray of shape (n_queries,), int
        """
        if self._predictions is None:
            self._predictions = Predictions(self.gaps, self.labels, self.n_classes)
        return self._walk(lambda ks: self._predictions.walk(tau, ks), n_neighbors)

    def own_class(
        self, tau: float, n_neighbors: Iterable[int], codes: NDArray[np.integer]
    ) -> Iterator[NDArray[np.float64]]:
        """Probability of one class of each row, for every k.

        Parameters
        ----------
        tau : float
        n_neighbors : iterable of int
            Strictly ascending.
        codes : ndarray of shape (n_queries,), int
            The row's class.

        Returns
        -------
        iterator of ndarray of shape (n_queries,), float64
        """
        agree = self.labels == codes
        return self._walk(
            lambda ks: walk_true_class_votes(self.gaps, agree, tau, ks), n_neighbors
        )

    def _walk(
        self, walk: Callable[[list[int]], Iterator[Any]], n_neighbors: Iterable[int]
    ) -> Iterator[Any]:
        """Items of a walk over ascending numbers, repeated for those out of reach."""
        clipped = [min(k, self.k) for k in n_neighbors]
        steps = walk(sorted(set(clipped)))
        done = item = None
        for k in clipped:
            if k != done:
                done, item = k, next(steps)
            yield item
