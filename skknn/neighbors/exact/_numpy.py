"""Candidates by numpy's matrix product."""

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bounds import product_error
from ._candidates import Candidates, QueryBlock
from ._search import Proposer
from ._top_k import top_columns

# Rows multiplied at a time: up to a sixth faster than all where queries are few.
_TILE = 1024


class NumpyProposer(Proposer):
    """Scores are matrix products in the dtype of the rows."""

    def __init__(self, rows: IndexRows) -> None:
        super().__init__(rows)
        self.score_bytes = rows.values.itemsize
        self._plain = PlainRows(rows, rows.values.dtype)

    def n_candidates(self, k: int) -> int:
        return k + 8 + k // 16

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        low, error = self._plain.queries(queries)
        scores = self._plain.scores(low, part)
        columns = top_columns(scores, min(self.n_candidates(k), scores.shape[1]))
        values = np.take_along_axis(scores, columns, axis=1)
        ceilings = values.astype(np.float64) + error[:, None]
        outside = ceilings.min(axis=1)
        return Candidates(columns + part.start, ceilings, outside)


class PlainRows:
    """Shifted rows in float32 or float64, ready for numpy's products.

    Prepared rows are not copied.

    Parameters
    ----------
    rows : IndexRows
    dtype : dtype

    Attributes
    ----------
    half : ndarray of shape (n_samples,)
        Half the squared norms.
    """

    def __init__(self, rows: IndexRows, dtype: np.dtype | type) -> None:
        self._index, self._values = rows, rows.values
        # Values too large for the dtype end as inf or NaN, of which nothing is proven.
        with np.errstate(over="ignore"):
            if rows.shift is not None or rows.values.dtype != dtype:
                self._values = np.empty(rows.values.shape, dtype=dtype)
                for part, block in rows.shifted_blocks():
                    self._values[part] = block
            self.half = rows.half_squared_norms.astype(dtype)

    def queries(self, queries: QueryBlock) -> tuple[NDArray, NDArray[np.float64]]:
        """Queries in the dtype, and bounds of the error of their scores."""
        dtype = self._values.dtype
        with np.errstate(over="ignore"):
            low = queries.shifted.astype(dtype)
        largest, n_features = self._index.largest_norm, self._index.n_features
        return low, product_error(dtype, queries.norms, largest, n_features)

    def products(self, low: NDArray, part: slice, out: NDArray) -> None:
        """Write products with a slice of the index to (n_queries, n_rows) ``out``."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(low, self._values[part].T, out=out)

    def scores(self, low: NDArray, part: slice) -> NDArray:
        """Scores of a slice of the index, (n_queries, n_rows)."""
        out = np.empty((len(low), part.stop - part.start), dtype=low.dtype)
        for start in range(part.start, part.stop, _TILE):
            tile = slice(start, min(start + _TILE, part.stop))
            place = out[:, start - part.start : tile.stop - part.start]
            self.products(low, tile, place)
        with np.errstate(over="ignore", invalid="ignore"):
            out -= self.half[part]
        return out
