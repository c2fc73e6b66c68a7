"""Approximate search with faiss, tuned to a recall that is measured."""

import warnings

import numpy as np

from ..utils._threads import n_threads
from ._brute import BruteEngine
from ._exact import canonical_order, direct_sqdist
from ._faiss import faiss_settings, import_faiss

#: Share of the true neighbours that a search is tuned to find.
TARGET_RECALL = 0.99
# Training rows, left out of their own search, that recall is measured on.
_SAMPLE = 256
# Rows from which it matters that an approximate search looks at too many of them, and
# the share of the most effort from which exact search is faster.
_LARGE, _FUTILE = 20_000, 1 / 8
# Queries, and rows added to an index, at a time.
_ROWS = 4096


class ApproximateEngine:
    """A faiss index proposes neighbours; their distances are then exact.

    The effort of a search is doubled until the recall on a sample of training rows
    reaches 0.99, for each number of neighbours anew. Index and effort depend on the
    rows and ``k`` alone, so results are the same every time.

    Parameters
    ----------
    n_jobs : int or None
        Threads of searches. None takes as many as BLAS may use.
    """

    name = "approximate"

    def __init__(self, n_jobs=None):
        self.n_jobs = n_jobs

    def fit(self, X):
        """Build the index of ``X`` of shape (n_samples, n_features)."""
        import_faiss()
        self.X_ = X
        self._tuned = {}
        with faiss_settings(n_threads(self.n_jobs)) as faiss:
            self._index = self._build(faiss, X)
        return self

    def kneighbors(self, Q, k, exclude=None):
        """Parameters and return values as in :meth:`CertifiedEngine.kneighbors`.

        Distances are exact; neighbours may be missing.
        """
        effort, _ = self.tune(k)
        return self._search(Q, k, exclude, effort)

    def tune(self, k):
        """Effort of searches for ``k`` neighbours, and the recall it reaches.

        Returns
        -------
        effort : int
        recall : float
            Mean share of the k nearest other rows that are found, or rows as near.
        """
        if k not in self._tuned:
            n_samples = len(self.X_)
            rows = np.random.RandomState(0).permutation(n_samples)[:_SAMPLE]
            rows.sort()
            k_sample = max(1, min(k, n_samples - 1))
            if n_samples == 1:
                self._tuned[k] = self._least_effort(k), 1.0
                return self._tuned[k]
            queries = self.X_[rows]
            exact = BruteEngine(self.n_jobs).fit(self.X_)
            true, _ = exact.kneighbors(queries, k_sample, rows)
            effort, most = self._least_effort(k), self._most_effort()
            while True:
                found, _ = self._search(queries, k_sample, rows, effort)
                recall = float((found <= true[:, -1:]).mean())
                if recall >= TARGET_RECALL or effort >= most:
                    break
                effort = min(2 * effort, most)
            self._tuned[k] = effort, recall
            if n_samples >= _LARGE and effort > _FUTILE * most:
                warnings.warn(
                    f"algorithm={self.name!r} must look at a large part of the rows "
                    f"to find {recall:.1%} of {k} neighbours: they form no clear "
                    "clusters. Exact search (algorithm='auto') is faster here.",
                    UserWarning,
                    stacklevel=2,
                )
        return self._tuned[k]

    def __getstate__(self):
        faiss = import_faiss()
        return {**self.__dict__, "_index": faiss.serialize_index(self._index)}

    def __setstate__(self, state):
        faiss = import_faiss()
        index = faiss.deserialize_index(state["_index"])
        self.__dict__.update(state, _index=index)

    def _search(self, Q, k, exclude, effort):
        n_samples = len(self.X_)
        wanted = min(self._candidates(k) + (exclude is not None), n_samples)
        sqdist = np.empty((len(Q), k))
        ids = np.empty((len(Q), k), dtype=np.intp)
        for start in range(0, len(Q), _ROWS):
            rows = slice(start, start + _ROWS)
            with faiss_settings(n_threads(self.n_jobs)) as faiss:
                _, found = self._index.search(
                    np.ascontiguousarray(Q[rows], dtype=np.float32),
                    wanted,
                    params=self._parameters(faiss, effort),
                )
            # The index leaves places empty when it reaches too few rows.
            missing = found < 0
            if exclude is not None:
                missing |= found == exclude[rows, None]
            d2 = direct_sqdist(Q[rows], self.X_, np.maximum(found, 0))
            d2[missing] = np.inf
            d2, found = canonical_order(d2, found, k)
            sqdist[rows], ids[rows] = d2[:, :k], found[:, :k]
        short = np.flatnonzero(~np.isfinite(sqdist[:, -1]))
        if len(short):
            out = None if exclude is None else exclude[short]
            exact = BruteEngine(self.n_jobs).fit(self.X_)
            sqdist[short], ids[short] = exact.kneighbors(Q[short], k, out)
        return sqdist, ids


class HNSWEngine(ApproximateEngine):
    """Hierarchical navigable small-world graph.

    Built on one thread: with several, the graph would depend on their timing.
    """

    name = "hnsw"

    def _build(self, faiss, X):
        index = faiss.IndexHNSWFlat(X.shape[1], 32)
        index.hnsw.efConstruction = 100
        faiss.omp_set_num_threads(1)
        _add(index, X)
        return index

    def _parameters(self, faiss, effort):
        return faiss.SearchParametersHNSW(efSearch=effort)

    def _candidates(self, k):
        return k

    def _least_effort(self, k):
        return max(64, 2 * k)

    def _most_effort(self):
        return len(self.X_)


class IVFEngine(ApproximateEngine):
    """Inverted lists of k-means cells, rows in 8 bits a number."""

    name = "ivf"

    def _build(self, faiss, X):
        n_samples, n_features = X.shape
        n_cells = max(1, min(int(2 * n_samples**0.5), n_samples // 40))
        coarse = faiss.IndexFlatL2(n_features)
        index = faiss.IndexIVFScalarQuantizer(
            coarse, n_features, n_cells, faiss.ScalarQuantizer.QT_8bit
        )
        index.cp.niter = 10
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = 1 << 20
        size = min(n_samples, max(20_000, 40 * n_cells))
        rows = np.random.RandomState(0).choice(n_samples, size, replace=False)
        index.train(np.ascontiguousarray(X[np.sort(rows)], dtype=np.float32))
        _add(index, X)
        return index

    def _parameters(self, faiss, effort):
        return faiss.SearchParametersIVF(nprobe=effort)

    def _candidates(self, k):
        # Distances in 8 bits put some neighbours a little too far.
        return k + max(16, k // 2)

    def _least_effort(self, k):
        cell = len(self.X_) / self._index.nlist
        return max(1, min(int(2 * k / cell) + 4, self._most_effort()))

    def _most_effort(self):
        return self._index.nlist


def _add(index, X):
    for start in range(0, len(X), _ROWS):
        index.add(np.ascontiguousarray(X[start : start + _ROWS], dtype=np.float32))
