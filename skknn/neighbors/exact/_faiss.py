"""Candidates by faiss's flat search."""

import faiss
import numpy as np

from ...utils._threads import faiss_settings
from .._rows import IndexRows
from ._candidates import Candidates, QueryBlock
from ._numpy import NumpyProposer

_FEW_QUERIES = 8  # up to these faiss's loop is faster than its product


class FaissProposer(NumpyProposer):
    """``faiss.knn`` on float32 rows, with all threads."""

    query_rows = 4096
    alone = True

    def __init__(self, rows: IndexRows) -> None:
        super().__init__(rows, np.float32)
        self.score_bytes = 0

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        low, error = self.low_queries(queries)
        with faiss_settings(faiss, n_threads, products=len(low) > _FEW_QUERIES):
            sqdist, ids = faiss.knn(low, self.low, self.n_candidates(k))
        # Distances come from |q|^2 + |x|^2 - 2 q.x, all of them in float32.
        squares = queries.squared_norms
        n_features, largest = low.shape[1], self.rows.largest_norm
        error += 2.0**-24 * (n_features + 8) * (squares + largest**2)
        ceilings = self.ceilings((squares[:, None] - sqdist) / 2, error)
        outside = ceilings.min(axis=1)
        # Overflow leaves places empty.
        empty = ids < 0
        outside[empty.any(axis=1)], ceilings[empty] = np.inf, -np.inf
        return Candidates(ids, ceilings, outside)
