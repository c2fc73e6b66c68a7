"""Candidates by a compiled scan of cheap products: the optional extra ``fast``."""

import numpy as np

from ...utils._bfloat16 import bfloat16_pays
from .._rows import IndexRows
from ._candidates import Candidates, QueryBlock
from ._numpy import NumpyProposer

# Products at a time, which stay in the L2 cache; columns where queries are many.
_PRODUCTS, _COLUMNS = 1 << 20, 1024


class CompiledProposer(NumpyProposer):
    """Keeps every row that may be among the k nearest, from products in tiles.

    A row is dropped when its score is further below the k-th best so far than twice the
    bound of their errors. Products are in bfloat16 where these are faster.
    """

    query_rows = 1024  # larger blocks read the rows less often

    def __init__(self, rows: IndexRows) -> None:
        self.rows = rows
        if bfloat16_pays():
            from ._torch import TorchProposer

            self._rough: NumpyProposer = TorchProposer(rows)
        else:
            self._rough = NumpyProposer(rows, np.float32)

    def n_candidates(self, k: int) -> int:
        return 2 * k + 64

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        from ._kernels import TILE, scan

        rough, n_queries = self._rough, len(queries)
        low, error = rough.low_queries(queries)
        tolerance = 2 * (error + queries.tolerance * rough.scale**2) * (1 + 1e-6)
        # Scores larger than that may leave the range of float32.
        bad = ~(rough.scale * (queries.norms + self.rows.largest_norm) < 1e18)
        capacity = min(4 * k + 1152, part.stop - part.start) + TILE
        values = np.empty((n_queries, capacity), dtype=np.float32)
        ids = np.empty((n_queries, capacity), dtype=np.int32)
        counts, kept = np.where(bad, -1, 0), np.zeros(n_queries, dtype=np.intp)
        thresholds = np.full(n_queries, -3e38, dtype=np.float32)
        buffer = values, ids, counts, kept, thresholds
        width = max(_COLUMNS, _PRODUCTS // n_queries // _COLUMNS * _COLUMNS)
        memory = np.empty(n_queries * width, dtype=rough.dtype)
        for start in range(part.start, part.stop, width):
            tile = slice(start, min(start + width, part.stop))
            products = memory[: n_queries * (tile.stop - start)].reshape(n_queries, -1)
            rough.products(low, tile, products)
            half = None if rough.half is None else rough.half[tile]
            scan(products, half, start, tolerance, rough.unit, k, buffer)
        # Of queries that overflowed nothing is proven; what they keep gives a bound.
        overflow = counts < 0
        counts = np.where(overflow, -1 - counts, counts)
        width = max(k, counts.max())
        empty = np.arange(width) >= counts[:, None]
        ids = np.where(empty, part.start, ids[:, :width])
        ceilings = rough.ceilings(np.where(empty, 0, values[:, :width]), error)
        outside = rough.ceilings(thresholds[:, None], error)[:, 0]
        few = counts < k
        ceilings[empty], outside[overflow | few] = -np.inf, np.inf
        ids[few, :k], ceilings[few, :k] = np.arange(part.start, part.start + k), np.inf
        return Candidates(ids, ceilings, outside)
