"""Exact search with compiled loops: the optional extra ``fast``."""

import threading

import numpy as np

from ._bounds import float64_error
from ._certified import CertifiedEngine
from ._exact import canonical_order
from ._fast_rows import TILE, Bfloat16Rows, Float32Rows, Int8Rows
from ._products import product_seconds
from ._threads import run_blocks

# A lower precision must be this much faster to be worth its larger error.
_WORTH = 0.7
# Queries that try the fastest precision on new data.
_PILOT = 128
# Seconds to fetch and subtract one number of a candidate.
_MEASURE = 1e-9
# Share of queries that may overflow their reservoir before a precision is given up.
_OVERFLOW = 0.1


class FastEngine(CertifiedEngine):
    """Exact neighbours by int8 or bfloat16 products and a compiled scan of them.

    The scan keeps, for each query, every row whose score is within twice the error
    bound of the k-th best so far, and skips the rest 64 products at a time. Where
    the bound of a precision lets too many rows pass, the next one is used from then
    on: int8, bfloat16, float32; those that the processor is not faster in are left
    out from the start.

    Parameters
    ----------
    n_jobs : int or None
        Threads over blocks of queries. None takes as many as BLAS may use.
    """

    name = "fast"
    # Larger blocks read the base less often.
    query_rows = 1024

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        import_numba()
        return super().fit(X)

    def _make_filter(self):
        return _Precisions(self)

    def _row_bytes(self, k):
        return 4 * TILE + 8 * (4 * k + 1152) + 100 * k

    def _run(self, function, blocks):
        import torch

        first = blocks[0]
        if not self._filter.tried and first.stop > 2 * _PILOT:
            # A few queries tell whether the first precision is the right one.
            function(slice(0, _PILOT))
            blocks = [slice(_PILOT, first.stop), *blocks[1:]]
        self._filter.tried = True
        run_blocks(function, blocks, self.n_jobs, torch=torch)

    def _block(self, Q, k, exclude, n_bytes):
        queries, squares = self._shifted(Q)
        norms = np.sqrt(squares)
        own = np.full(len(Q), -1) if exclude is None else exclude.astype(np.int64)
        wanted = k if exclude is None else k + 1
        while True:
            level, rows = self._filter.current()
            prepared = rows.queries(queries, norms)
            reservoir, best = self._scan(rows, prepared, wanted, n_bytes)
            overflowed = (reservoir[2] < 0).mean()
            if overflowed <= _OVERFLOW or not self._filter.leave(level):
                break
        sqdist, ids, measured = self._rank(
            Q, squares, norms, own, k, prepared, rows.unit, reservoir, best
        )
        extra = measured / len(Q) - k + overflowed * len(self.X_)
        if extra > self._filter.worth(level):
            self._filter.leave(level)
        return sqdist[:, :k], ids[:, :k], reservoir[2] >= 0

    def _scan(self, rows, prepared, k, n_bytes):
        """Reservoir of all that may be among the k best, and the k-th best scores."""
        from . import _fast_kernels as kernels

        n_queries, n_samples = len(prepared.ratio), len(self.X_)
        first = _up(2 * k + 1024)
        tile = max(kernels.RUN, min(TILE, n_bytes // (4 * n_queries)))
        tile -= tile % kernels.RUN
        capacity = min(4 * k + 1152, _up(n_samples)) + kernels.LANES
        values = np.empty((n_queries, capacity), dtype=np.float32)
        # Rows of a query out of range: any will do for the last resort.
        ids = np.empty((n_queries, capacity), dtype=np.int32)
        ids[:, : min(k, n_samples)] = np.arange(min(k, n_samples))
        counts = np.where(prepared.bad, -1, 0)
        floors = np.full(n_queries, -3e38, dtype=np.float32)
        reservoir = values, ids, counts, floors
        nothing = np.zeros(max(first, tile), dtype=np.float32)
        out = None
        start = pruned = 0
        while start < n_samples:
            width = min(first if start == 0 else tile, _up(n_samples - start))
            if out is None or out.shape[1] != width:
                out = np.empty((n_queries, width), dtype=rows.product_dtype)
            stop = min(start + width, n_samples)
            if stop - start == width:
                rows.products(prepared.low, slice(start, stop), out)
            else:
                part = np.empty((n_queries, stop - start), dtype=rows.product_dtype)
                rows.products(prepared.low, slice(start, stop), part)
                out[:, : stop - start] = part
                out[:, stop - start :] = rows.nothing
            kernels.scan(
                out,
                start,
                (nothing if rows.scale is None else rows.scale[start:])[:width],
                (nothing if rows.half is None else rows.half[start:])[:width],
                prepared.ratio,
                prepared.margin,
                rows.unit,
                k,
                reservoir,
            )
            start = stop
            if start == n_samples or counts.mean() > pruned + k // 2 + 32:
                used = max(kernels.pad(reservoir), k)
                best = np.partition(values[:, :used], used - k, axis=1)[:, used - k]
                kernels.set_floors(best, prepared.margin, rows.unit, floors)
                kernels.keep(reservoir)
                pruned = counts.mean()
        return reservoir, best.astype(np.float64)

    def _rank(self, Q, squares, norms, own, k, prepared, unit, reservoir, best):
        """Distances of those in the reservoir that matter, in canonical order."""
        from ._fast_sums import measure

        values, ids, counts, _ = reservoir
        overflowed = counts < 0
        # Any k others of an overflowed query give a bound for the last resort.
        counts = np.where(overflowed, k + (own >= 0), counts)
        used = counts.max()
        ids = ids[:, :used]
        valid = (np.arange(used) < counts[:, None]) & (ids != own[:, None])
        known = valid & ~overflowed[:, None]
        values = np.where(known, values[:, :used], -1.0).astype(np.float64)
        sqdist = np.full(ids.shape, np.inf)
        # The k most promising ones tell which of the others can be nearer.
        first = valid & (overflowed[:, None] | (values >= best[:, None]))
        measure(Q, self.X_, ids, first, sqdist)
        farthest = sqdist.max(axis=1, where=first, initial=0.0)
        slack = float64_error(norms, self._peak, Q.shape[1])
        least = (squares - farthest) / 2 - slack
        ceiling = values + unit * np.abs(values) + prepared.margin[:, None]
        ceiling = prepared.factor[:, None] * ceiling + prepared.offset
        rest = known & ~first & (ceiling >= least[:, None])
        measure(Q, self.X_, ids, rest, sqdist)
        return *canonical_order(sqdist, ids, k), first.sum() + rest.sum()


class _Precisions:
    """The base in one precision after the other, each made when it is needed."""

    def __init__(self, engine):
        self._engine, self._rows = engine, {}
        self._level, self._lock = 0, threading.Lock()
        self.tried = False
        seconds = product_seconds()
        self._kinds, self._seconds = [Float32Rows], [seconds["float32"]]
        for name, kind in (("bfloat16", Bfloat16Rows), ("int8", Int8Rows)):
            if seconds[name] < _WORTH * self._seconds[0]:
                self._kinds.insert(0, kind)
                self._seconds.insert(0, seconds[name])

    def current(self):
        """The level and its rows."""
        with self._lock:
            level = self._level
            if level not in self._rows:
                self._rows = {level: self._kinds[level](self._engine)}
            return level, self._rows[level]

    def leave(self, level):
        """Go on to the next level, if there is one and no other thread did."""
        with self._lock:
            if level == len(self._kinds) - 1:
                return False
            self._level = max(self._level, level + 1)
            return True

    def worth(self, level):
        """Candidates a query whose distances cost what the level's products save."""
        if level == len(self._kinds) - 1:
            return np.inf
        saved = self._seconds[level + 1] - self._seconds[level]
        return len(self._engine.X_) * saved / _MEASURE


def import_numba():
    """Import numba, or say how to get it."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "algorithm='fast' needs numba, which is not installed. Install it with "
            "pip install 'skknn[fast]', or use algorithm='auto'."
        ) from error


def _up(n):
    """``n`` rounded up to whole runs of products."""
    return -(-n // 64) * 64
