"""Rows, a metric and an engine: nearest neighbours of queries or of the rows."""

import copy

import numpy as np
from sklearn.base import clone

from ._auto import AutoEngine
from ._brute import BruteEngine
from ._external import ExternalEngine
from ._precomputed import check_graph, graph_neighbors
from ._preprocessing import KINDS, Preprocessor

METRICS = ("sqeuclidean", "euclidean", "cosine")
APPROXIMATE = ("hnsw", "ivf")
ALGORITHMS = ("auto", "brute", "torch", "fast", "faiss", *APPROXIMATE, "precomputed")
PREPROCESSINGS = KINDS


class NeighborIndex:
    """Prepared training rows that can be searched, also leaving each row out.

    Parameters
    ----------
    metric : {"sqeuclidean", "euclidean", "cosine"}
    preprocessing : {"center-l2", "l2-center", "l2"} or None
    algorithm : str or object with ``fit`` and ``kneighbors``
        ``"brute"``, ``"torch"``, ``"fast"`` and ``"faiss"`` are exact and give the
        same neighbours; ``"auto"`` takes the fastest one here. ``"hnsw"`` and
        ``"ivf"`` are approximate. With ``"precomputed"``, rows are sparse graphs of
        neighbours, and ``metric`` and ``preprocessing`` are not used.
    device : None, str or torch.device
    n_jobs : int or None

    Attributes
    ----------
    preprocessor_ : Preprocessor
    engine_ : object
    algorithm_ : str
        The engine in use; with ``"auto"``, the one for large batches of queries.
    n_samples_ : int
    """

    def __init__(
        self,
        *,
        metric="sqeuclidean",
        preprocessing="center-l2",
        algorithm="auto",
        device=None,
        n_jobs=None,
    ):
        self.metric = metric
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X):
        """Prepare and keep ``X`` of shape (n_samples, n_features)."""
        self._graph = None
        if self._precomputed:
            self._graph = check_graph(X)
            self.n_samples_ = X.shape[0]
            self.preprocessor_ = Preprocessor(None).fit(None)
            self.algorithm_ = self.algorithm
            return self
        self.n_samples_ = len(X)
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
        self._rows = rows
        self.engine_ = self._make_engine().fit(rows)
        self.algorithm_ = self.engine_.name
        return self

    def kneighbors(self, X, k):
        """Nearest training rows of each row of ``X``.

        Parameters
        ----------
        X : ndarray of shape (n_queries, n_features)
        k : int
            From 1 to ``n_samples_``.

        Returns
        -------
        distances : ndarray of shape (n_queries, k), float64
            In the index's metric, ascending.
        ids : ndarray of shape (n_queries, k), intp
            Equal distances are sorted by row number.
        """
        if self._graph is not None:
            return graph_neighbors(check_graph(X, self.n_samples_), k)
        rows = self._prepare(X).astype(self._rows.dtype, copy=False)
        if self._zero_rows:
            rows = np.column_stack([rows, np.zeros(len(rows), dtype=rows.dtype)])
        return self._search(rows, k, None)

    def leave_one_out(self, k, part=slice(None)):
        """Nearest other rows of each training row, itself left out by number.

        Parameters
        ----------
        k : int
            From 1 to ``n_samples_ - 1``.
        part : slice, default=slice(None)
            Training rows to answer for.

        Returns
        -------
        distances : ndarray of shape (n_rows, k), float64
        ids : ndarray of shape (n_rows, k), intp
        """
        own = np.arange(self.n_samples_)[part]
        if self._graph is not None:
            first = own[0] if len(own) else 0
            return graph_neighbors(self._graph[part], k, own, first)
        return self._search(self._rows[part], k, own)

    def recall(self, k):
        """Share of the k nearest other rows that searches find, on a sample.

        Exactly 1 for exact engines; :class:`ApproximateEngine` says how it is
        measured. Objects passed as ``algorithm`` are not measured: None.
        """
        if self.algorithm_ in APPROXIMATE:
            return self.engine_.tune(k)[1]
        return None if self.algorithm_ == "external" else 1.0

    @property
    def _precomputed(self):
        return isinstance(self.algorithm, str) and self.algorithm == "precomputed"

    def _prepare(self, X):
        rows = self.preprocessor_.transform(X)
        return rows if self._cosine is None else self._cosine.transform(rows)

    def _make_engine(self):
        if isinstance(self.algorithm, str):
            return make_engine(self.algorithm, self.device, self.n_jobs)
        own = self.algorithm
        own = clone(own) if hasattr(own, "get_params") else copy.deepcopy(own)
        return ExternalEngine(own)

    def _search(self, rows, k, exclude):
        with np.errstate(over="ignore"):
            sqdist, ids = self.engine_.kneighbors(rows, k, exclude)
        if not np.isfinite(sqdist).all():
            raise ValueError(
                "Squared distances between rows overflow float64. Scale X, for "
                "example with StandardScaler, or use preprocessing='center-l2'."
            )
        if self._cosine is not None:
            sqdist /= 2
            self._point_nowhere(rows, sqdist, ids, exclude)
        elif self.metric == "euclidean":
            np.sqrt(sqdist, out=sqdist)
        return sqdist, ids

    def _point_nowhere(self, rows, distances, ids, exclude):
        """Zero queries have cosine 0 with every row: the first rows win the tie."""
        n_features = rows.shape[1] - self._zero_rows
        k = ids.shape[1]
        for row in np.flatnonzero(~rows[:, :n_features].any(axis=1)):
            first = np.arange(min(k + 1, self.n_samples_))
            if exclude is not None:
                first = first[first != exclude[row]]
            distances[row], ids[row] = 1.0, first[:k]


def make_engine(name, device, n_jobs):
    """An engine by name; its libraries are imported here or when it is fitted."""
    if name == "auto":
        return AutoEngine(device, n_jobs)
    if name == "torch":
        from ._torch import TorchEngine

        return TorchEngine(device, n_jobs)
    if name == "fast":
        from ._fast import FastEngine

        return FastEngine(n_jobs)
    if name == "faiss":
        from ._faiss import FaissEngine

        return FaissEngine(n_jobs)
    if name == "hnsw":
        from ._approximate import HNSWEngine

        return HNSWEngine(n_jobs)
    if name == "ivf":
        from ._approximate import IVFEngine

        return IVFEngine(n_jobs)
    return BruteEngine(n_jobs)
