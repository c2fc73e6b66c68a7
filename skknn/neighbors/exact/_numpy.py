"""Candidates by numpy's matrix product."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._rows import IndexRows
from ._bounds import product_error
from ._candidates import Candidates, QueryBlock
from ._top_k import top_columns

_TILE = 1024  # rows multiplied at a time: a sixth faster than all for few queries


class NumpyProposer:
    """Scores are matrix products in the dtype of the rows, or another.

    Values too large for the dtype end as inf or NaN, of which nothing is proven.
    Prepared rows are not copied. Other proposers are made from this one.
    """

    query_rows = 256  # queries handed to a thread at a time
    score_bytes = 0  # bytes of each score until candidates are chosen; 0 if not kept
    alone = False  # whether a call uses all threads itself
    scale, unit = 1.0, 0.0  # scores are times scale**2, and rounded by unit

    def __init__(self, rows: IndexRows, dtype: DTypeLike | None = None) -> None:
        self.rows, self.low = rows, rows.values
        self.dtype = np.dtype(dtype or rows.values.dtype)
        self.score_bytes = self.dtype.itemsize
        with np.errstate(over="ignore"):
            if rows.shift is not None or rows.values.dtype != self.dtype:
                self.low = np.empty(rows.values.shape, dtype=self.dtype)
                for part, block in rows.shifted_blocks():
                    self.low[part] = block
            self.half: Any = rows.half_squared_norms.astype(self.dtype)

    def n_candidates(self, k: int) -> int:
        """Rows proposed, where there are so many."""
        return k + 8 + k // 16

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        """Candidates for the k nearest rows within a slice of the index."""
        low, error = self.low_queries(queries)
        scores = self.scores(low, part)
        columns = top_columns(scores, min(self.n_candidates(k), scores.shape[1]))
        values = np.take_along_axis(scores, columns, axis=1)
        ceilings = self.ceilings(values, error)
        return Candidates(columns + part.start, ceilings, ceilings.min(axis=1))

    def low_queries(self, queries: QueryBlock) -> tuple[Any, NDArray[np.float64]]:
        """Queries ready for products, and bounds of the error of their scores."""
        with np.errstate(over="ignore"):
            low = queries.shifted.astype(self.dtype)
        largest = self.rows.largest_norm
        return low, product_error(self.dtype, queries.norms, largest, low.shape[1])

    def products(self, low: Any, part: slice, out: NDArray) -> None:
        """Write scores, not less ``half``, to (n_queries, n_rows) ``out``."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(low, self.low[part].T, out=out)

    def scores(self, low: Any, part: slice) -> NDArray:
        """Scores of a slice of the rows, (n_queries, n_rows)."""
        out = np.empty((len(low), part.stop - part.start), dtype=self.dtype)
        for start in range(0, out.shape[1], _TILE):
            tile = out[:, start : start + _TILE]
            first = part.start + start
            self.products(low, slice(first, first + tile.shape[1]), tile)
        with np.errstate(over="ignore", invalid="ignore"):
            out -= self.half[part]
        return out

    def ceilings(self, values: NDArray, error: NDArray) -> NDArray[np.float64]:
        """The largest true scores behind (n_queries, n_candidates) computed ones."""
        return values.astype(np.float64) + error[:, None]
