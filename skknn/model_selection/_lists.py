"""Sorted neighbours of many rows, kept for every k and tau."""

import numpy as np

from ..classifiers._validation import validate_rows
from ..neighbors import (
    Predictions,
    sorted_gaps,
    walk_soft_votes,
    walk_true_class_votes,
)


class NeighborLists:
    """The k nearest training rows of some rows: distances and class numbers.

    Memory: 9 to 12 bytes a neighbour, 5 to 8 more for predictions.

    Parameters
    ----------
    knn : SoftKNNClassifier
        Fitted.
    X : array-like of shape (n_queries, n_features) or None
        None means the training rows, each without itself.
    k : int
    """

    def __init__(self, knn, X, k):
        rows = None if X is None else validate_rows(knn, X)
        n_queries = knn.n_samples_fit_ if rows is None else rows.shape[0]
        self.n_classes = len(knn.classes_)
        self.k = min(k, knn.n_samples_fit_ - (rows is None))
        self.gaps = np.empty((self.k, n_queries))
        codes = knn._codes.astype(np.min_scalar_type(self.n_classes))
        self.labels = np.empty((self.k, n_queries), dtype=codes.dtype)
        self._predictions = None
        knn.n_neighbors_ = self.k
        for part, distances, ids in knn._neighbor_blocks(rows):
            self.gaps[:, part] = sorted_gaps(distances)
            self.labels[:, part] = codes[ids].T

    def votes(self, tau, n_neighbors):
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

    def predictions(self, tau, n_neighbors):
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

    def own_class(self, tau, n_neighbors, codes):
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

    def _walk(self, walk, n_neighbors):
        """Items of a walk over ascending numbers, repeated for those out of reach."""
        clipped = [min(k, self.k) for k in n_neighbors]
        steps = walk(sorted(set(clipped)))
        done = item = None
        for k in clipped:
            if k != done:
                done, item = k, next(steps)
            yield item
