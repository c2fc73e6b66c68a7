"""Candidates by faiss's flat index."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._rows import IndexRows
from ._bounds import product_error
from ._candidates import Candidates, QueryBlock
from ._search import Proposer

# Up to this many queries faiss's own loop is faster than its matrix product.
_FEW_QUERIES = 8

_settings = threading.Lock()


class FaissProposer(Proposer):
    """``faiss.knn`` in float32, on all threads.

    faiss leaves its matrix product for a loop when there are few queries, which is
    several times slower from about eight queries on. Its threshold and its number of
    threads are settings of the process: they are set for the time of a search and
    restored after it, so searches of several threads take turns.
    """

    query_rows = 4096
    alone = True

    def __init__(self, rows: IndexRows) -> None:
        super().__init__(rows)
        self._values = rows.values
        if rows.shift is not None or rows.values.dtype != np.float32:
            self._values = np.empty(rows.values.shape, dtype=np.float32)
            with np.errstate(over="ignore"):
                for part, block in rows.shifted_blocks():
                    self._values[part] = block

    def n_candidates(self, k: int) -> int:
        return k + 8 + k // 16

    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        norms, largest = queries.norms, self.rows.largest_norm
        with np.errstate(over="ignore"):
            low = queries.shifted.astype(np.float32)
        with faiss_settings(n_threads, products=len(low) > _FEW_QUERIES) as faiss:
            sqdist, ids = faiss.knn(low, self._values, self.n_candidates(k))
        # Distances come from |q|^2 + |x|^2 - 2 q.x, all of them in float32.
        n_features = self.rows.n_features
        error = product_error(np.float32, norms, largest, n_features)
        error += 2.0**-24 * (n_features + 8) * (norms**2 + largest**2)
        ceilings = (norms[:, None] ** 2 - sqdist) / 2 + error[:, None]
        outside = ceilings.min(axis=1)
        # Overflow leaves places empty, of which nothing is proven.
        empty = ids < 0
        outside[empty.any(axis=1)] = np.inf
        ceilings[empty] = -np.inf
        return Candidates(ids, ceilings, outside)


def import_faiss() -> Any:
    """Import faiss, or say how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "algorithm='faiss', 'hnsw' and 'ivf' need faiss, which is not installed. "
            "Install it with pip install 'skknn[faiss]', or use algorithm='auto'."
        ) from error
    return faiss


@contextmanager
def faiss_settings(threads: int, products: bool = True) -> Iterator[Any]:
    """Threads and matrix products of faiss for one search, restored after it."""
    faiss = import_faiss()
    with _settings:
        before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
        faiss.omp_set_num_threads(threads)
        if products:
            faiss.cvar.distance_compute_blas_threshold = 1
        try:
            yield faiss
        finally:
            faiss.omp_set_num_threads(before[0])
            faiss.cvar.distance_compute_blas_threshold = before[1]
