"""Exact search with numpy alone."""

import numpy as np

from ..utils._threads import in_threads
from ._bounds import product_error
from ._certified import CertifiedEngine
from ._exact import top_columns
from ._products import tile_products


class BruteEngine(CertifiedEngine):
    """Exact neighbours; scores are matrix products in the dtype of the rows."""

    name = "brute"

    def _make_filter(self):
        """Rows to multiply with, and half their squared norms, in one dtype."""
        base = self.X_
        if self._shift is not None:
            base = np.empty_like(self.X_)
            for part, rows in self._float64_blocks():
                base[part] = rows
        with np.errstate(over="ignore"):
            return base, self._half.astype(base.dtype, copy=False)

    def _propose(self, queries, norms, k, exclude, share):
        n_samples, n_features = self.X_.shape
        dtype = self.X_.dtype
        n_candidates = min(k + 8 + k // 16, n_samples)
        if n_candidates == n_samples:
            return np.tile(np.arange(n_samples), (len(queries), 1)), None
        with np.errstate(over="ignore"):
            queries = queries.astype(dtype)
        ids, scores = self._candidates(queries, n_candidates, exclude, share)
        error = product_error(dtype, norms, self._peak, n_features)
        return ids, scores.astype(np.float64) + error[:, None]

    def _candidates(self, queries, n_candidates, exclude, share):
        """Ids of the best scores, and these scores."""
        base, half = self._filter
        parts = self._base_parts(base.itemsize * len(queries), n_candidates, share)

        def search(part):
            # Values too large for the dtype end as inf or nan: such rows fail the
            # certificate.
            with np.errstate(over="ignore", invalid="ignore"):
                scores = tile_products(queries, base[part])
                scores -= half[part]
            if exclude is not None:
                hit = np.flatnonzero((exclude >= part.start) & (exclude < part.stop))
                scores[hit, exclude[hit] - part.start] = -np.inf
            columns = top_columns(scores, n_candidates)
            values = np.take_along_axis(scores, columns, axis=1)
            return values, columns + part.start

        found = in_threads(search, parts, share.n_threads)
        scores, ids = (np.concatenate(arrays, axis=1) for arrays in zip(*found))
        if scores.shape[1] > n_candidates:
            columns = top_columns(scores, n_candidates)
            scores = np.take_along_axis(scores, columns, axis=1)
            ids = np.take_along_axis(ids, columns, axis=1)
        return ids, scores
