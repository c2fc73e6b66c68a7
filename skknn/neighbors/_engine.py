"""What every search engine offers to an index."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from ._rows import IndexRows

#: Distances (float64) and row numbers (intp), both of shape (n_queries, k).
Neighbors = tuple[NDArray[np.float64], NDArray[np.intp]]


class Engine(ABC):
    """Nearest rows of queries, or of the rows of the index themselves.

    Distances are squared, or Euclidean if ``rows.rooted``; each row of the result is
    sorted by (distance, index). ``name`` is that of ``algorithm=``.
    """

    name: str
    rows: IndexRows

    @abstractmethod
    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        """The k nearest rows of each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            In the dtype of the rows.
        k : int
            At most n_samples, or n_samples - 1 with ``exclude``.
        exclude : ndarray of shape (n_queries,), int, optional
            One row of the index for each query that is no neighbour of it.
        """

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        """The k nearest other rows of each row in a slice of the index."""
        own = np.arange(len(self.rows))[part]
        return self.kneighbors(self.rows.values[part], k, own)

    def recall(self, k: int) -> float | None:
        """Share of the k nearest neighbours that are found; None if not known."""
        return 1.0
