"""Rows, a metric and an engine: nearest neighbours of queries or of the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of
from ._auto import AutoEngine
from ._engine import Neighbors
from ._engines import make_engine
from ._external import ExternalEngine
from ._groups import Groups, leave_groups_out
from ._precomputed import check_graph, graph_neighbors
from ._preprocessing import Preprocessor
from ._rows import IndexRows

METRICS = ("sqeuclidean", "euclidean", "cosine")

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

        ``groups`` (n_samples,) says which rows are no neighbours of each other.
        """
        self.groups_ = None if groups is None else Groups.of(groups, X)
        self._graph: Any = None
        self.n_samples_ = X.shape[0]
        if isinstance(self.algorithm, str) and self.algorithm == "precomputed":
            self._graph = check_graph(X)
            self.preprocessor_ = Preprocessor(None).fit(None)
            self.algorithm_ = self.algorithm
            return self
        self.preprocessor_ = Preprocessor(self.preprocessing).fit(X)
        self._cosine = Preprocessor("l2") if self.metric == "cosine" else None
        rows = self._prepare(X)
        self._zero_rows = False
        if self._cosine is not None:
            zero = ~rows.any(axis=1)
            self._zero_rows = bool(zero.any())
            if self._zero_rows:
                # A zero row has cosine 0 with everything: one more coordinate puts
                # it at squared distance 2 from each unit row.
                rows = np.column_stack([rows, zero.astype(rows.dtype)])
        self.rows_ = IndexRows.from_array(rows, rooted=self.metric == "euclidean")
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

    @property
    def n_others(self) -> int:
        """Rows that are left for each row when it, or its group, is left out."""
        return self.n_samples_ - (1 if self.groups_ is None else self.groups_.largest)

    def recall(self, k: int) -> float:
        """Share of the k nearest other rows that an approximate engine finds."""
        return self.engine_.recall(k)

    def _prepare(self, X: NDArray) -> NDArray:
        rows = self.preprocessor_.transform(X)
        return rows if self._cosine is None else self._cosine.transform(rows)

    def _in_metric(
        self, rows: NDArray, found: Neighbors, own: NDArray | None = None
    ) -> Neighbors:
        distances, ids = found
        if not np.isfinite(distances).all():
            raise ValueError(
                "Squared distances between rows overflow float64. Scale X, for "
                "example with StandardScaler, or use preprocessing='center-l2'."
            )
        if self._cosine is not None:
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
