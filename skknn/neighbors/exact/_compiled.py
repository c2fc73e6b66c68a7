"""Candidates by a compiled scan of cheap products: the optional extra ``fast``."""

import numpy as np
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bfloat16 import Bfloat16Rows
from ._candidates import Candidates, QueryBlock
from ._numpy import PlainRows
from ._products import bfloat16_pays
from ._search import Proposer
from ._torch import bfloat16_queries, score_ceilings

# Products at a time: they stay in the L2 cache.
_PRODUCTS = 1 << 20
_COLUMNS = 1024


class CompiledProposer(Proposer):
    """Keeps every row that may be among the k nearest, from products in tiles.

    A row is dropped when its score is further below the k-th best so far than twice the
    bound of their errors. Products are in bfloat16 where the processor is faster at
    them, else in float32.
    """

    # Larger blocks read the rows less often.
    query_rows = 1024

    def __init__(self, rows: IndexRows) -> None:
        import torch

        super().__init__(rows)
        self._low = self._plain = None
        if bfloat16_pays():
            self._low = Bfloat16Rows(rows, torch.device("cpu"), float32_scores=False)
        else:
            self._plain = PlainRows(rows, np.float32)

    def n_candidates(self, k: int) -> int:
        return 2 * k + 64

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        import torch

        from ._kernels import TILE, drop, scan

        n_queries, n_samples = len(queries), part.stop - part.start
        if self._low is not None:
            low, error = bfloat16_queries(self._low, queries)
            scale, unit, dtype = self._low.scale, self._low.unit, np.int16
        else:
            low, error = self._plain.queries(queries)
            scale, unit, dtype = 1.0, 0.0, np.float32
        tolerance = 2 * (error + queries.tolerance * scale**2) * (1 + 1e-6)
        # Products larger than that may leave the range of float32.
        bad = ~(scale * (queries.norms + self.rows.largest_norm) < 1e18)
        capacity = min(4 * k + 1152, n_samples) + TILE
        values = np.empty((n_queries, capacity), dtype=np.float32)
        ids = np.empty((n_queries, capacity), dtype=np.int32)
        counts = np.where(bad, -1, 0)
        thresholds = np.full(n_queries, -3e38, dtype=np.float32)
        buffer = values, ids, counts, np.zeros_like(counts), thresholds
        width = max(_COLUMNS, _PRODUCTS // n_queries // _COLUMNS * _COLUMNS)
        memory = np.empty(n_queries * min(width, n_samples), dtype=dtype)
        for start in range(part.start, part.stop, width):
            tile = slice(start, min(start + width, part.stop))
            shape = n_queries, tile.stop - start
            products = memory[: shape[0] * shape[1]].reshape(shape)
            half = None
            if self._low is not None:
                out = torch.from_numpy(products).view(torch.bfloat16)
                self._low.products(low, tile, out)
            else:
                self._plain.products(low, tile, products)
                half = self._plain.half[tile]
            scan(products, half, start, tolerance, unit, k, buffer)
        drop(tolerance, unit, k, buffer)
        # Of queries that overflowed nothing is proven; what they keep gives a bound.
        overflow = counts < 0
        counts = np.where(overflow, -1 - counts, counts)
        width = max(k, counts.max())
        empty = np.arange(width) >= counts[:, None]
        ceilings = self._ceilings(values[:, :width], error)
        outside = self._ceilings(thresholds[:, None], error)[:, 0]
        ids = np.where(empty, part.start, ids[:, :width])
        ceilings[empty], outside[overflow] = -np.inf, np.inf
        few = counts < k
        ids[few, :k], ceilings[few, :k] = np.arange(part.start, part.start + k), np.inf
        return Candidates(ids, ceilings, outside)

    def _ceilings(self, values: NDArray, error: NDArray) -> NDArray[np.float64]:
        if self._low is not None:
            return score_ceilings(self._low, values.astype(np.float64), error)
        return values + error[:, None]


def import_numba() -> None:
    """Import numba, or say how to get it."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "algorithm='fast' needs numba, which is not installed. Install it with "
            "pip install 'skknn[fast]', or use algorithm='auto'."
        ) from error
