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
    sorted by (distance, index). ``name`` is that of ``algorithm=``; ``exact`` says that
    no neighbour is missed.
    """

    name: str
    rows: IndexRows
    exact = True

    @abstractmethod
    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        """The k nearest rows of queries that have the dtype of the rows.

        Each leaves out its row in ``exclude`` (n_queries,), if that is given; then
        ``k`` is at most n_samples - 1.
        """

    @abstractmethod
    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "Engine":
        """An engine of this kind and with these settings for other rows.

        The first ``n_same`` of them are those of this one, which stays as it is.
        """

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        """The k nearest other rows of each row in a slice of the index."""
        own = np.arange(len(self.rows))[part]
        return self.kneighbors(self.rows.values[part], k, own)
