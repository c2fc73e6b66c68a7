"""Exact search with numpy alone: a matrix product proposes, differences decide."""

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import threadpool_limits

from ._exact import canonical_order, direct_sqdist, top_columns

_QUERY_ROWS = 256
# Score block of one worker: query rows x base columns, in bytes.
_SCORE_BYTES = 1 << 25


class BruteEngine:
    """Exact squared Euclidean neighbours of dense rows.

    Scores ``q.x - |x|^2 / 2`` come from matrix products in the dtype of the rows and
    select a few more candidates than asked for. Candidates are measured again by
    differences in float64. A row is accepted when the worst case of rounding cannot
    bring any row outside the candidates before the k-th neighbour; otherwise it is
    searched again with twice as many candidates.

    Parameters
    ----------
    n_jobs : int or None
        Threads over blocks of queries. None leaves the threads to BLAS.
    """

    name = "brute"

    def __init__(self, n_jobs=None):
        self.n_jobs = n_jobs

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        self.X_ = X
        mean = X.mean(axis=0, dtype=np.float64)
        centered_energy = X.var(axis=0, dtype=np.float64).sum()
        # Distances do not feel a shift but rounding does. Prepared rows are nearly
        # centred already, and then the copy is saved.
        self._shift = mean if (mean @ mean) > centered_energy else None
        self._base = X if self._shift is None else (X - self._shift).astype(X.dtype)
        half = np.einsum("ij,ij->i", self._base, self._base, dtype=np.float64) / 2
        self._half = half.astype(X.dtype)
        self._peak = float(np.sqrt(2 * half.max()))
        return self

    def kneighbors(self, Q, k, exclude=None):
        """The k nearest rows of each query.

        Parameters
        ----------
        Q : ndarray of shape (n_queries, n_features)
        k : int
            At most n_samples, or n_samples - 1 with ``exclude``.
        exclude : ndarray of shape (n_queries,), int, optional
            One row of the base for each query that is no neighbour of it.

        Returns
        -------
        sqdist : ndarray of shape (n_queries, k), float64
        ids : ndarray of shape (n_queries, k), intp
            Sorted by (distance, index).
        """
        sqdist = np.empty((len(Q), k), dtype=np.float64)
        ids = np.empty((len(Q), k), dtype=np.intp)

        def block(start):
            rows = slice(start, start + _QUERY_ROWS)
            out = None if exclude is None else exclude[rows]
            sqdist[rows], ids[rows] = self._certified(Q[rows], k, out)

        starts = range(0, len(Q), _QUERY_ROWS)
        if len(starts) > 1 and effective_n_jobs(self.n_jobs) > 1:
            with threadpool_limits(1):
                Parallel(n_jobs=self.n_jobs, require="sharedmem")(
                    delayed(block)(start) for start in starts
                )
        else:
            for start in starts:
                block(start)
        return sqdist, ids

    def _certified(self, Q, k, exclude):
        n_samples, n_features = self.X_.shape
        queries = Q if self._shift is None else Q - self._shift
        norms = np.linalg.norm(queries.astype(np.float64), axis=1)
        queries = queries.astype(self.X_.dtype, copy=False)
        unit = np.finfo(self.X_.dtype).eps / 2
        peak = self._peak
        # |computed - true score|: a dot product of n_features terms, the rounding of
        # |x|^2 / 2, of the shift and of the final difference.
        error = unit * ((n_features + 8) * norms * peak + 4 * peak**2)
        # ... and of the distance that the candidate's score is computed from.
        error += np.finfo(np.float64).eps * (n_features + 8) * (norms + peak) ** 2
        sqdist = np.empty((len(Q), k), dtype=np.float64)
        ids = np.empty((len(Q), k), dtype=np.intp)
        pending = np.arange(len(Q))
        n_candidates = k + 8 + k // 16
        while len(pending):
            n_candidates = min(n_candidates, n_samples)
            out = None if exclude is None else exclude[pending]
            found, worst = self._candidates(queries[pending], n_candidates, out)
            d2 = direct_sqdist(Q[pending], self.X_, found)
            if out is not None:
                d2[found == out[:, None]] = np.inf
            d2, found = canonical_order(d2, found)
            kth = (norms[pending] ** 2 - d2[:, k - 1]) / 2
            if n_candidates == n_samples:
                sure = np.ones(len(pending), dtype=bool)
            else:
                sure = worst + error[pending] < kth
            sqdist[pending[sure]] = d2[sure, :k]
            ids[pending[sure]] = found[sure, :k]
            pending = pending[~sure]
            n_candidates *= 2
        return sqdist, ids

    def _candidates(self, queries, n_candidates, exclude):
        """Ids of the best scores, and the lowest score among them."""
        n_samples = len(self._base)
        if n_candidates == n_samples:
            everything = np.broadcast_to(
                np.arange(n_samples), (len(queries), n_samples)
            )
            return everything.copy(), None
        width = _SCORE_BYTES // (self._base.itemsize * _QUERY_ROWS)
        width = max(width, 4 * n_candidates)
        best_scores, best_ids = [], []
        for start in range(0, n_samples, width):
            stop = min(start + width, n_samples)
            # Values too large for the dtype end as inf or nan: such rows fail the
            # certificate and are measured against every row.
            with np.errstate(over="ignore", invalid="ignore"):
                scores = queries @ self._base[start:stop].T
                scores -= self._half[start:stop]
            if exclude is not None:
                hit = np.flatnonzero((exclude >= start) & (exclude < stop))
                scores[hit, exclude[hit] - start] = -np.inf
            columns = top_columns(scores, n_candidates)
            best_scores.append(np.take_along_axis(scores, columns, axis=1))
            best_ids.append(columns + start)
        scores = np.concatenate(best_scores, axis=1)
        ids = np.concatenate(best_ids, axis=1)
        if scores.shape[1] > n_candidates:
            columns = top_columns(scores, n_candidates)
            scores = np.take_along_axis(scores, columns, axis=1)
            ids = np.take_along_axis(ids, columns, axis=1)
        return ids, scores.min(axis=1).astype(np.float64)
