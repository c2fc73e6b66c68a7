"""Exact flat search with faiss."""

import threading
from contextlib import contextmanager

import numpy as np

from ._bounds import product_error
from ._certified import CertifiedEngine

# Below this many queries faiss's own loop is faster than its matrix product.
_FEW_QUERIES = 8

_settings = threading.Lock()


class FaissEngine(CertifiedEngine):
    """Exact neighbours; ``faiss.knn`` proposes.

    faiss leaves its matrix product for a loop when there are few queries, which is
    several times slower from about eight queries on. Its threshold and its number of
    threads are settings of the process: they are set for the time of a search and
    restored after it, so searches of several threads take turns.

    Parameters
    ----------
    n_jobs : int or None
        Threads. None takes as many as BLAS may use.
    """

    name = "faiss"
    query_rows = 4096

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        import_faiss()
        return super().fit(X)

    def _make_filter(self):
        """Float32 rows: prepared ones are not copied."""
        if self.X_.dtype == np.float32 and self._shift is None:
            return np.ascontiguousarray(self.X_)
        rows = np.empty(self.X_.shape, dtype=np.float32)
        with np.errstate(over="ignore"):
            for part, block in self._float64_blocks():
                rows[part] = block
        return rows

    def _run(self, settle, blocks, n_threads):
        few = blocks[0].stop - blocks[0].start <= _FEW_QUERIES
        with faiss_settings(n_threads, products=not few):
            for block in blocks:
                settle(block, n_threads)

    def _propose(self, queries, norms, k, exclude, share):
        import faiss

        n_samples, n_features = self.X_.shape
        n_candidates = min(k + 8 + k // 16 + (exclude is not None), n_samples)
        if n_candidates == n_samples:
            return np.tile(np.arange(n_samples), (len(queries), 1)), None
        with np.errstate(over="ignore"):
            low = queries.astype(np.float32)
        sqdist, ids = faiss.knn(low, self._filter, n_candidates)
        # Distances come from |q|^2 + |x|^2 - 2 q.x, all of them in float32.
        error = product_error(np.float32, norms, self._peak, n_features)
        error += 2.0**-24 * (n_features + 8) * (norms**2 + self._peak**2)
        ceiling = (norms[:, None] ** 2 - sqdist) / 2 + error[:, None]
        # Overflow leaves places empty; their rows fail the certificate.
        ceiling[ids < 0] = np.nan
        if exclude is not None:
            # The row itself is no candidate, though it may come back anywhere.
            ceiling[ids == exclude[:, None]] = np.inf
        return np.maximum(ids, 0), ceiling


def import_faiss():
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
def faiss_settings(threads, products=True):
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
