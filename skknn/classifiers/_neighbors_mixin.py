"""Neighbours of queries and of training rows, as lists and as a graph."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix

from ..utils._snapshot import SnapshotMixin
from ._inputs import check_rows
from ._labelled_index import LabelledIndex, clip_n_neighbors


class NeighborsMixin(SnapshotMixin):
    """``kneighbors`` and ``kneighbors_graph`` of a classifier with an ``index_``."""

    index_: LabelledIndex
    n_neighbors_: int

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None, default=None
            Queries. None means the training rows, each without itself and its group.
        n_neighbors : int or None, default=None
            How many; None takes ``n_neighbors_``. Clipped, with a warning, to the
            rows there are.
        return_distance : bool, default=True
            Whether distances are returned too.

        Returns
        -------
        distances : ndarray of shape (n_queries, k), float64
            Ascending, in the units of ``metric``. Only with ``return_distance``.
        indices : ndarray of shape (n_queries, k), intp
            Training row numbers; equal distances are sorted by row number. After
            :meth:`remove`, ``ids_[indices]`` are the rows' ids.
        """
        now = self._as_it_is()
        rows = None if X is None else check_rows(now, X)
        available = now.index_.n_voters(rows)
        if n_neighbors is None:
            k = min(now.n_neighbors_, available)
        elif not isinstance(n_neighbors, Integral) or n_neighbors < 1:
            raise ValueError(
                f"n_neighbors={n_neighbors!r} must be an int of at least 1, or None "
                "for the fitted number."
            )
        else:
            k = clip_n_neighbors(int(n_neighbors), available)
        index = now.index_.rows
        found = index.leave_one_out(k) if X is None else index.kneighbors(rows, k)
        distances, ids = found
        return (distances, ids) if return_distance else ids

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        mode: str = "connectivity",
    ) -> csr_matrix:
        """Nearest training rows as a sparse graph, one row a query.

        With ``mode="distance"`` it is what scikit-learn's estimators take with
        ``metric="precomputed"`` and this package's with ``algorithm="precomputed"``.
        Of ``X=None`` no row is its own neighbour, as in scikit-learn's
        ``NearestNeighbors.kneighbors_graph``.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None, default=None
            Queries. None means the training rows, each without itself and its group.
        n_neighbors : int or None, default=None
            As in :meth:`kneighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"
            What the graph holds: ones, or the distances in the units of ``metric``.
            A distance of 0 is stored, too.

        Returns
        -------
        csr_matrix of shape (n_queries, n_samples_fit), float64
            Columns are training rows; those of a row stand nearest first.

        Raises
        ------
        ValueError
            For another ``mode``.
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(
                f"mode={mode!r} must be 'connectivity' for a graph of ones or "
                "'distance' for one of distances."
            )
        now = self._as_it_is()
        distances, ids = now.kneighbors(X, n_neighbors)
        data = distances if mode == "distance" else np.ones(ids.shape)
        starts = np.arange(0, ids.size + 1, ids.shape[1])
        shape = len(ids), now.index_.n_samples
        return csr_matrix((data.ravel(), ids.ravel(), starts), shape=shape)
