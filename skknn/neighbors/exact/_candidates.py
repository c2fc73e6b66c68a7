"""Queries in blocks, and the rows proposed for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bounds import float64_error
from ._top_k import top_columns


@dataclass(frozen=True)
class QueryBlock:
    """A block of queries and what scores need of them.

    Attributes
    ----------
    values : ndarray of shape (n_queries, n_features)
        As they came.
    shifted : ndarray of shape (n_queries, n_features), float64
    squared_norms, norms : ndarrays of shape (n_queries,), float64
        Of the shifted ones.
    tolerance : ndarray of shape (n_queries,), float64
        Bound of float64 rounding in scores and distances.
    exclude : ndarray of shape (n_queries,), int, or None
        A row of the index for each query that is no neighbour of it.
    """

    values: NDArray
    shifted: NDArray[np.float64]
    squared_norms: NDArray[np.float64]
    norms: NDArray[np.float64]
    tolerance: NDArray[np.float64]
    exclude: NDArray[np.intp] | None

    @classmethod
    def of(
        cls, rows: IndexRows, values: NDArray, exclude: NDArray[np.intp] | None
    ) -> "QueryBlock":
        """Queries of shape (n_queries, n_features) against the rows of an index."""
        shifted = rows.shifted(values)
        squares = np.einsum("ij,ij->i", shifted, shifted)
        norms = np.sqrt(squares)
        tolerance = float64_error(norms, rows.largest_norm, rows.n_features)
        return cls(values, shifted, squares, norms, tolerance, exclude)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "QueryBlock":
        return QueryBlock(
            self.values[part],
            self.shifted[part],
            self.squared_norms[part],
            self.norms[part],
            self.tolerance[part],
            None if self.exclude is None else self.exclude[part],
        )


@dataclass(frozen=True)
class Candidates:
    """Rows that may be neighbours of each query of a block.

    Attributes
    ----------
    ids : ndarray of shape (n_queries, n_candidates), int
    ceilings : ndarray of shape (n_queries, n_candidates), float64
        The largest true score each may have; -inf in empty places.
    outside : ndarray of shape (n_queries,), float64
        The largest true score that any other row may have.
    """

    ids: NDArray
    ceilings: NDArray[np.float64]
    outside: NDArray[np.float64]

    def __getitem__(self, part: slice) -> "Candidates":
        return Candidates(self.ids[part], self.ceilings[part], self.outside[part])

    @classmethod
    def all_rows(cls, n_queries: int, n_samples: int) -> "Candidates":
        """Every row of the index; nothing is known of any."""
        shape = n_queries, n_samples
        return cls(
            np.broadcast_to(np.arange(n_samples), shape),
            np.full(shape, np.inf),
            np.full(n_queries, -np.inf),
        )

    @classmethod
    def join(cls, found: Sequence["Candidates"]) -> "Candidates":
        """Those of several parts of the index."""
        if len(found) == 1:
            return found[0]
        return cls(
            np.concatenate([part.ids for part in found], axis=1),
            np.concatenate([part.ceilings for part in found], axis=1),
            np.max([part.outside for part in found], axis=0),
        )

    def best(self, n: int) -> "Candidates":
        """The ``n`` most promising of each query."""
        if n >= self.ids.shape[1]:
            return self
        columns = top_columns(self.ceilings, n)
        ceilings = np.take_along_axis(self.ceilings, columns, axis=1)
        outside = np.maximum(self.outside, ceilings.min(axis=1))
        return Candidates(
            np.take_along_axis(self.ids, columns, axis=1), ceilings, outside
        )
