"""Queries in blocks, and the rows proposed for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bounds import float64_error
from ._top_k import top_columns


class _Block:
    """Arrays with one row a query; slices are taken of all of them."""

    def __getitem__(self, part: slice) -> Any:
        arrays: Any = vars(self).values()
        return type(self)(*(a if a is None else a[part] for a in arrays))


@dataclass(frozen=True, eq=False)
class QueryBlock(_Block):
    """A block of queries and what scores need of them; norms are of shifted ones."""

    values: NDArray  # (n_queries, n_features), as they came
    shifted: NDArray[np.float64]
    squared_norms: NDArray[np.float64]  # (n_queries,)
    norms: NDArray[np.float64]
    tolerance: NDArray[np.float64]  # bound of float64 rounding in scores and distances
    exclude: NDArray[np.intp] | None  # a row for each query that is no neighbour of it

    @classmethod
    def of(
        cls, rows: IndexRows, values: NDArray, exclude: NDArray[np.intp] | None
    ) -> "QueryBlock":
        """Queries (n_queries, n_features) against the rows of an index."""
        shifted = rows.shifted(values)
        squares = np.einsum("ij,ij->i", shifted, shifted)
        norms = np.sqrt(squares)
        tolerance = float64_error(norms, rows.largest_norm, values.shape[1])
        return cls(values, shifted, squares, norms, tolerance, exclude)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Candidates(_Block):
    """Rows that may be neighbours of each query of a block.

    Ceilings are the largest true scores that they may have, -inf in empty places;
    ``outside`` is the largest that any other row may have.
    """

    ids: NDArray  # (n_queries, n_candidates)
    ceilings: NDArray[np.float64]
    outside: NDArray[np.float64]  # (n_queries,)

    @classmethod
    def where(cls, possible: NDArray[np.bool_]) -> "Candidates":
        """The possible rows of (n_queries, n_samples), all of which may be nearest."""
        ids = np.flatnonzero(possible.any(axis=0))
        ceilings = np.where(possible[:, ids], np.inf, -np.inf)
        outside = np.full(len(possible), -np.inf)
        return cls(np.broadcast_to(ids, ceilings.shape), ceilings, outside)

    @classmethod
    def join(cls, found: Sequence["Candidates"]) -> "Candidates":
        """Those of several parts of the index."""
        ids = np.concatenate([part.ids for part in found], axis=1)
        ceilings = np.concatenate([part.ceilings for part in found], axis=1)
        return cls(ids, ceilings, np.max([part.outside for part in found], axis=0))

    def best(self, n: int) -> "Candidates":
        """The ``n`` most promising of each query."""
        if n >= self.ids.shape[1]:
            return self
        columns = top_columns(self.ceilings, n)
        ids = np.take_along_axis(self.ids, columns, axis=1)
        ceilings = np.take_along_axis(self.ceilings, columns, axis=1)
        outside = np.maximum(self.outside, ceilings.min(axis=1))
        return Candidates(ids, ceilings, outside)
