"""Which form of the base the fast engine scans."""

import threading

from ._fast_projected import ProjectedRows, fewer_columns, work_to_project
from ._fast_rows import Bfloat16Rows, Float32Rows, Int8Rows
from ._products import product_seconds

# A lower precision must be this much faster to be worth its larger error.
_WORTH = 0.7
# Seconds to fetch and subtract one number of a candidate: in float64, and in float32
# with what else a candidate costs.
_MEASURE, _ROUGH, _KEEP = 5e-10, 2e-10, 6e-8
# Times that queries must have cost what it takes to project the base.
_PATIENCE = 3


class Levels:
    """The base in one form after the other, each made when it is needed.

    First the precisions that this processor is faster in than in float32, int8 and
    bfloat16, then float32. A form that lets too many rows pass is left for good.
    With float32 products and after many queries, rows are projected on their
    principal axes if these queries would have been faster there.

    Parameters
    ----------
    engine : CertifiedEngine
        Fitted.
    """

    def __init__(self, engine):
        self._engine, self._rows, self._plain = engine, None, None
        self._lock = threading.Lock()
        self._new, self._projected, self._asked = True, False, 0
        seconds = product_seconds()
        self._kinds, self._seconds = [Float32Rows], [seconds["float32"]]
        for name, kind in (("bfloat16", Bfloat16Rows), ("int8", Int8Rows)):
            if seconds[name] < _WORTH * self._seconds[0]:
                self._kinds.insert(0, kind)
                self._seconds.insert(0, seconds[name])

    def new_level_for(self, n_queries):
        """Whether these queries are the first of a level."""
        with self._lock:
            self._asked += n_queries
            new, self._new = self._new, False
            return new or self._may_project()

    def current(self, queries, k):
        """The rows to scan for the k nearest of queries."""
        with self._lock:
            if self._may_project():
                self._project(queries, k)
            if self._rows is None:
                rows = self._plain if len(self._kinds) == 1 else None
                self._rows = rows or self._kinds[0](self._engine)
            return self._rows

    def float32(self):
        """All columns, for queries that others prove nothing of."""
        with self._lock:
            if self._plain is None:
                self._plain = Float32Rows(self._engine)
            return self._plain

    def leave(self, rows):
        """Go on to the next level, if there is one and no other thread did."""
        with self._lock:
            if rows is self._rows and len(self._kinds) > 1:
                del self._kinds[0], self._seconds[0]
                self._rows = None
            return rows is not self._rows

    def pays(self, rows, extra, unsure):
        """Whether the products save more than what comes after them costs.

        Parameters
        ----------
        rows
            From :meth:`current`.
        extra : float
            Candidates a query whose distances were measured beyond the k best.
        unsure : float
            Share of queries of which nothing was proven.
        """
        with self._lock:
            if rows is not self._rows or len(self._kinds) == 1:
                return True
            saved = self._seconds[1] - self._seconds[0]
            again = _MEASURE if rows.certain else self._seconds[-1]
        n_samples = len(self._engine.X_)
        return extra * _MEASURE + unsure * again * n_samples <= saved * n_samples

    def _may_project(self):
        if self._projected or len(self._kinds) > 1:
            return False
        n_samples, n_features = self._engine.X_.shape
        work = self._asked * n_samples * n_features
        return work > _PATIENCE * work_to_project(n_samples, n_features)

    def _project(self, queries, k):
        self._projected = True
        n_features = self._engine.X_.shape[1]
        candidate = (n_features * _ROUGH + _KEEP) / self._seconds[0]
        rows = fewer_columns(self._engine, queries, k, candidate)
        if rows is not None:
            # Rows in float32 that are there already serve what is unproven.
            self._rows, self._plain = rows, self._rows
            self._kinds.insert(0, ProjectedRows)
            share = rows.columns / n_features
            self._seconds.insert(0, share * self._seconds[0])
