"""Approximate search with faiss, tuned to a recall that is measured."""

from copy import copy
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from ...utils._threads import faiss_settings, n_threads
from ...utils._warn import warn
from .._engine import Engine, Neighbors
from .._rows import IndexRows
from ..exact._distances import nearest
from ..exact._numpy import NumpyProposer
from ..exact._search import ExactSearch
from ._faiss_bytes import pack_index, unpack_index
from ._indexes import HNSW, IVF

#: Share of the true neighbours that a search is tuned to find.
TARGET_RECALL = 0.99
# Training rows, left out of their own search, that recall is measured on.
_SAMPLE = 256
# Rows from which it matters that an approximate search looks at too many of them, and
# the share of the most effort from which exact search is faster.
_LARGE, _FUTILE = 20_000, 1 / 8
_ROWS = 4096  # added to an index at a time


class TunedSearch(Engine):
    """A faiss index proposes neighbours; their distances are then exact.

    The effort of a search is doubled until the recall on a sample of training rows
    reaches 0.99, for each number of neighbours anew. Index and effort depend on the
    rows and ``k`` alone, so results are the same every time. Neighbours may be missing.
    """

    exact = False

    def __init__(self, rows: IndexRows, name: str, n_jobs: int | None = None) -> None:
        self.rows, self.name, self.n_jobs = rows, name, n_jobs
        self._kind = IVF() if name == "ivf" else HNSW()
        self._n_built = len(rows)
        self._tuned: dict[int, tuple[int, float]] = {}
        self._exact = ExactSearch(rows, "brute", [NumpyProposer], n_jobs=n_jobs)
        threads = self._kind.build_threads or n_threads(n_jobs)
        with faiss_settings(faiss, threads):
            self._index = self._kind.build(rows.values)
            self._add(rows.values)

    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "TunedSearch":
        if not 0 < n_same or len(rows) > self._kind.growth * self._n_built:
            return TunedSearch(rows, self.name, self.n_jobs)
        other = copy(self)
        other.rows, other._tuned = rows, {}
        other._exact = self._exact.with_rows(rows)
        other._index = faiss.clone_index(self._index)
        with faiss_settings(faiss, self._kind.build_threads or n_threads(self.n_jobs)):
            other._add(rows.values[n_same:])
        return other

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        return self._search(queries, k, exclude, effort=self.tune(k)[0])

    def recall(self, k: int) -> float:
        """Mean share of the k nearest other rows that are found, or rows as near."""
        return self.tune(k)[1]

    def tune(self, k: int) -> tuple[int, float]:
        """Effort of searches for ``k`` neighbours, and the recall it reaches."""
        if k in self._tuned:
            return self._tuned[k]
        n_samples = len(self.rows)
        effort, most = self._kind.efforts(self._index, k)
        if n_samples == 1:
            return effort, 1.0
        rows = np.random.RandomState(0).permutation(n_samples)[:_SAMPLE]
        rows.sort()
        k_sample = min(k, n_samples - 1)
        queries = self.rows.values[rows]
        true, _ = self._exact.kneighbors(queries, k_sample, rows)
        while True:
            found, _ = self._search(queries, k_sample, rows, effort)
            recall = float((found <= true[:, -1:]).mean())
            if recall >= TARGET_RECALL or effort >= most:
                break
            effort = min(2 * effort, most)
        if n_samples >= _LARGE and effort > _FUTILE * most:
            warn(
                f"algorithm={self.name!r} must look at a large part of the rows to "
                f"find {recall:.1%} of {k} neighbours: they form no clear clusters. "
                "Exact search (algorithm='auto') is faster here."
            )
        self._tuned[k] = effort, recall
        return effort, recall

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": pack_index(self._index)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index = unpack_index(state["_index"], self.rows.values)

    def _add(self, values: NDArray) -> None:
        for start in range(0, len(values), _ROWS):
            part = values[start : start + _ROWS]
            self._index.add(np.ascontiguousarray(part, dtype=np.float32))

    def _search(
        self, queries: NDArray, k: int, exclude: NDArray | None, effort: int
    ) -> Neighbors:
        wanted = self._kind.n_candidates(k) + (exclude is not None)
        wanted = min(wanted, len(self.rows))
        given = np.ascontiguousarray(queries, dtype=np.float32), wanted
        parameters = self._kind.parameters(effort)
        with faiss_settings(faiss, n_threads(self.n_jobs)):
            _, ids = self._index.search(*given, params=parameters)
        # The index leaves places empty when it reaches too few rows.
        there = ids >= 0
        if exclude is not None:
            there &= ids != exclude[:, None]
        distances, ids = nearest(queries, self.rows, ids, there, k)
        short = np.flatnonzero(~np.isfinite(distances[:, -1]))
        if len(short):
            out = None if exclude is None else exclude[short]
            exact = self._exact.kneighbors(queries[short], k, out)
            distances[short], ids[short] = exact
        return distances, ids
