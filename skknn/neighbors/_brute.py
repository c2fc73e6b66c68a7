"""Exact search with numpy alone."""

import numpy as np

from ._certified import CertifiedEngine
from ._exact import top_columns

# Score block of one worker: query rows x base columns, in bytes.
_SCORE_BYTES = 1 << 25


class BruteEngine(CertifiedEngine):
    """Exact neighbours; scores are matrix products in the dtype of the rows."""

    name = "brute"

    def _fit_filter(self):
        dtype = self.X_.dtype
        self._base = self.X_
        if self._shift is not None:
            self._base = np.empty_like(self.X_)
            for part, rows in self._float64_blocks():
                self._base[part] = rows
        with np.errstate(over="ignore"):
            self._half_scores = self._half.astype(dtype, copy=False)

    def _propose(self, Q, k, exclude):
        n_samples, n_features = self.X_.shape
        n_candidates = min(k + 8 + k // 16, n_samples)
        if n_candidates == n_samples:
            everything = np.tile(np.arange(n_samples), (len(Q), 1))
            return everything, None, None
        queries, squares = self._shifted(Q)
        ids, worst = self._candidates(
            queries.astype(self._base.dtype), n_candidates, exclude
        )
        return ids, worst, self._error(np.sqrt(squares), n_features)

    def _error(self, norms, n_features):
        """How far a score in the dtype of the rows may be from the true one."""
        peak = self._peak
        # A dot product of n_features terms, the rounding of the shifted rows, of
        # |x|^2 / 2 and of the final difference.
        unit = np.finfo(self._base.dtype).eps / 2
        error = unit * ((n_features + 8) * norms * peak + 4 * peak**2)
        # Products below the smallest normal number may be lost.
        return error + (2 * n_features + 8) * np.finfo(self._base.dtype).tiny

    def _candidates(self, queries, n_candidates, exclude):
        """Ids of the best scores, and the lowest score among them."""
        n_samples = len(self._base)
        width = _SCORE_BYTES // (self._base.itemsize * self.query_rows)
        width = max(width, 4 * n_candidates)
        best_scores, best_ids = [], []
        for start in range(0, n_samples, width):
            stop = min(start + width, n_samples)
            # Values too large for the dtype end as inf or nan: such rows fail the
            # certificate.
            with np.errstate(over="ignore", invalid="ignore"):
                scores = queries @ self._base[start:stop].T
                scores -= self._half_scores[start:stop]
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
