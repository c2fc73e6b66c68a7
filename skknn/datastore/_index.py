"""Rows, a metric and an engine: nearest neighbours of queries or of the rows."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..neighbors import (
    AutoEngine,
    ExternalEngine,
    IndexRows,
    Neighbors,
    RowMemory,
    make_engine,
)
from ..utils._device import names_accelerator, resolve_device
from ..utils._slices import blocks_of
from ._groups import Groups, leave_groups_out
from ._precomputed import check_graph, graph_neighbors
from ._preprocessing import Preprocessor

METRICS = ("sqeuclidean", "euclidean", "cosine")

# Algorithms that compute on a device.
_ON_DEVICES = ("auto", "torch")
_QUERY_BYTES = 1 << 24  # of queries prepared at a time


@dataclass(kw_only=True, eq=False)
class NeighborIndex:
    """Prepared training rows that can be searched, also leaving each row out.

    Parameters are those of SoftKNNClassifier. With ``algorithm="precomputed"``, rows
    are sparse graphs of neighbours, and metric and preprocessing are not used.
    ``algorithm_`` is the engine in use; with "auto", the one for many queries.
    """

    metric: str = "sqeuclidean"
    preprocessing: str | None = "center-l2"
    algorithm: Any = "auto"
    device: Any = None
    n_jobs: int | None = None

    def fit(self, X: Any, groups: Any = None) -> "NeighborIndex":
        """Prepare and keep ``X`` of shape (n_samples, n_features).

        ``groups`` (n_samples,) says which rows are no neighbours of each other. A
        ``device`` that is not available is an error; an index that was fitted takes
        the best one on another machine.
        """
        searched = isinstance(self.algorithm, str) and self.algorithm in _ON_DEVICES
        if searched and names_accelerator(self.device):
            resolve_device(self.device)
        return self._fit(X, groups)

    def _fit(self, X: Any, groups: Any = None) -> "NeighborIndex":
        self.groups_ = None if groups is None else Groups.of(groups, X)
        self._graph: Any = None
        self.n_samples_ = X.shape[0]
        if isinstance(self.algorithm, str) and self.algorithm == "precomputed":
            self._graph = check_graph(X)
            self.preprocessor_ = Preprocessor(None).fit(None)
            self.algorithm_ = self.algorithm
            return self
        self.preprocessor_ = Preprocessor(self.preprocessing).fit(X)
        cosine = Preprocessor("l2" if self.metric == "cosine" else None)
        stages = self.preprocessor_, cosine
        self._stages = [stage for stage in stages if stage.kind is not None]
        self._lengths = np.ones((self.n_samples_, len(self._stages)))
        if not self._stages:
            return self._hold(self._prepare(X))
        memory = RowMemory(self.n_samples_, X.shape[1], X.dtype)
        self._prepare(X, memory.taken(), self._lengths)
        return self._hold(memory.taken(), memory)

    def _hold(self, rows: NDArray, memory: RowMemory | None = None) -> "NeighborIndex":
        """Make prepared rows searchable."""
        zero = self._find_zeros(rows)
        self._zero_rows = bool(zero.any())
        if self._zero_rows:
            rows, memory = np.column_stack([rows, zero]), None
        rooted = self.metric == "euclidean"
        self.rows_ = IndexRows.from_array(rows, rooted, memory)
        args = self.rows_, self.device, self.n_jobs
        if not isinstance(self.algorithm, str):
            self.engine_: Any = ExternalEngine(self.rows_, self.algorithm)
        elif self.algorithm == "auto":
            self.engine_ = AutoEngine(*args)
        else:
            self.engine_ = make_engine(self.algorithm, *args)
        self.algorithm_ = self.engine_.name
        return self

    def kneighbors(self, X: Any, k: int) -> Neighbors:
        """Distances in the metric, and numbers, of the nearest rows of queries ``X``.

        Both (n_queries, k), sorted by (distance, number); ``k`` is at most
        ``n_samples_``.
        """
        if self._graph is not None:
            return graph_neighbors(check_graph(X, self.n_samples_), k)
        distances = np.empty((len(X), k), dtype=np.float64)
        ids = np.empty((len(X), k), dtype=np.intp)
        for part in blocks_of(len(X), X.itemsize * X.shape[1], _QUERY_BYTES):
            rows = self._prepare(X[part]).astype(self.rows_.values.dtype, copy=False)
            if self._zero_rows:
                rows = np.column_stack([rows, np.zeros(len(rows), dtype=rows.dtype)])
            with np.errstate(over="ignore"):
                found = self.engine_.kneighbors(rows, k)
            distances[part], ids[part] = self._in_metric(rows, found)
        return distances, ids

    def leave_one_out(self, k: int, part: slice = slice(None)) -> Neighbors:
        """As :meth:`kneighbors` for a slice of the rows, each left out by number.

        With groups all rows of its own one are; ``k`` is at most ``n_others``.
        """
        own = np.arange(self.n_samples_)[part]
        if self._graph is not None:
            return graph_neighbors(self._graph[part], k, own, self.groups_)
        with np.errstate(over="ignore"):
            if self.groups_ is None:
                found = self.engine_.leave_one_out(k, part)
            else:
                found = leave_groups_out(self.engine_, self.groups_, k, part)
        return self._in_metric(self.rows_.values[part], found, own)

    def append(self, X: Any, groups: Any = None) -> "NeighborIndex":
        """An index with the rows ``X`` behind these, prepared as ``fit`` learnt.

        This one stays as it is. Rows without groups are not in one.
        """
        other = self._without_graph()
        other.n_samples_ = self.n_samples_ + len(X)
        more = None if groups is None else Groups.of(groups, X)
        other.groups_ = Groups.join(self.groups_, self.n_samples_, more, len(X))
        lengths = np.ones((len(X), len(self._stages)))
        rows = self._prepare(X, None, lengths)
        rows = rows.astype(self.rows_.values.dtype, copy=False)
        other._lengths = np.concatenate([self._lengths, lengths])
        zero = self._find_zeros(rows)
        if zero.any() and not self._zero_rows:
            return other._hold(np.concatenate([self.rows_.values, rows]))
        if self._zero_rows:
            rows = np.column_stack([rows, zero])
        other.rows_ = self.rows_.append(rows)
        other.engine_ = self.engine_.with_rows(other.rows_, self.n_samples_)
        return other

    def take(self, ids: NDArray[np.intp]) -> "NeighborIndex":
        """An index of some of the rows, in this order; this one stays as it is."""
        other = self._without_graph()
        other.n_samples_ = len(ids)
        other.groups_ = None if self.groups_ is None else self.groups_.take(ids)
        other._lengths = self._lengths[ids]
        other.rows_ = self.rows_.take(ids)
        if self._zero_rows and not other.rows_.values[:, -1].any():
            return other._hold(np.ascontiguousarray(other.rows_.values[:, :-1]))
        other.engine_ = self.engine_.with_rows(other.rows_)
        return other

    def refit(self) -> "NeighborIndex":
        """An index of the same rows, prepared by what they are now."""
        other = replace(self)._fit(self._without_graph().restore())
        other.groups_ = self.groups_
        return other

    def restore(self) -> NDArray:
        """The rows as they were given, up to rounding."""
        n_features = self.rows_.values.shape[1] - self._zero_rows
        out = np.empty((self.n_samples_, n_features), dtype=self.rows_.values.dtype)
        for part in blocks_of(len(out), 8 * n_features):
            rows = self.rows_.values[part, :n_features]
            for stage, lengths in zip(self._stages[::-1], self._lengths[part].T[::-1]):
                rows = stage.restore(rows, lengths)
            out[part] = rows
        return out

    @property
    def n_others(self) -> int:
        """Rows that are left for each row when it, or its group, is left out."""
        return self.n_samples_ - (1 if self.groups_ is None else self.groups_.largest)

    def recall(self, k: int) -> float:
        """Share of the k nearest other rows that an approximate engine finds."""
        return self.engine_.recall(k)

    def _prepare(
        self, X: NDArray, out: NDArray | None = None, lengths: NDArray | None = None
    ) -> NDArray:
        """Rows after all stages, the last of which writes to ``out``."""
        for number, stage in enumerate(self._stages):
            target = out if stage is self._stages[-1] else None
            X = stage.transform(
                X, target, None if lengths is None else lengths[:, number]
            )
        return np.ascontiguousarray(X)

    def _find_zeros(self, rows: NDArray) -> NDArray:
        """1 for rows that need one more coordinate, (n_samples,).

        A zero row has cosine 0 with everything: so it is at squared distance 2 from
        each unit row.
        """
        if self.metric != "cosine":
            return np.zeros(len(rows), dtype=rows.dtype)
        return (~rows.any(axis=1)).astype(rows.dtype)

    def _without_graph(self) -> "NeighborIndex":
        """A copy that is going to have other rows."""
        if self._graph is not None:
            raise ValueError(
                "algorithm='precomputed' has the distances among the rows of fit and "
                "none to others, so rows can neither come nor go. Call fit with the "
                "graph of all rows, or choose another algorithm and pass rows."
            )
        return copy(self)

    def _in_metric(
        self, rows: NDArray, found: Neighbors, own: NDArray | None = None
    ) -> Neighbors:
        distances, ids = found
        if not np.isfinite(distances).all():
            raise ValueError(
                "Squared distances between rows overflow float64. Scale X, for "
                "example with StandardScaler, or use preprocessing='center-l2'."
            )
        if self.metric == "cosine":
            distances /= 2
            # Zero queries have cosine 0 with every row: the first rows win the tie.
            n_features, k = rows.shape[1] - self._zero_rows, ids.shape[1]
            for row in np.flatnonzero(~rows[:, :n_features].any(axis=1)):
                first = np.arange(min(k + 1, self.n_samples_))
                if own is not None and self.groups_ is not None:
                    first = np.arange(self.n_samples_)
                    same = self.groups_.together(own[[row]], first[None])[0]
                    first = first[~same]
                elif own is not None:
                    first = first[first != own[row]]
                distances[row], ids[row] = 1.0, first[:k]
        return distances, ids
