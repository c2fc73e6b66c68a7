"""Exact search with compiled loops: the optional extra ``fast``."""

import numpy as np

from ..utils._threads import in_threads
from ._bounds import float64_error
from ._certified import CertifiedEngine, equal_parts
from ._fast_levels import Levels
from ._fast_projected import ProjectedRows
from ._fast_rows import TILE

# Queries that try a level that was not tried yet.
_PILOT = 128
# Share of queries that may be unproven before a level is given up.
_UNSURE = 0.1


class FastEngine(CertifiedEngine):
    """Exact neighbours by cheap products and a compiled scan of them.

    The scan keeps, for each query, every row whose score is within twice the error
    bound of the k-th best so far, and skips the rest 64 products at a time. Which
    products are cheap depends on the processor and on the rows: see :class:`Levels`.

    Parameters
    ----------
    n_jobs : int or None
        Threads over blocks of queries, or over parts of the base where queries are
        few. None takes as many as BLAS may use.
    """

    name = "fast"
    # Larger blocks read the base less often.
    query_rows = 1024

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        import_numba()
        return super().fit(X)

    def _make_filter(self):
        return Levels(self)

    def _row_bytes(self, k):
        return 4 * TILE + 8 * ProjectedRows.capacity(k) + 100 * k

    def _run(self, settle, blocks, n_threads):
        import torch

        first = blocks[0]
        if self._filter.new_level_for(blocks[-1].stop) and first.stop > 2 * _PILOT:
            # A few queries tell whether it is the right one.
            super()._run(settle, [slice(0, _PILOT)], n_threads, torch)
            blocks = [slice(_PILOT, first.stop), *blocks[1:]]
        super()._run(settle, blocks, n_threads, torch)

    def _block(self, Q, k, exclude, share):
        own = np.full(len(Q), -1) if exclude is None else exclude.astype(np.int64)
        while True:
            rows = self._filter.current(Q, k)
            sqdist, ids, sure, measured = self._search(rows, Q, own, k, share)
            unsure = (~sure).mean()
            few = unsure <= _UNSURE or not rows.certain
            if few or not self._filter.leave(rows):
                break
        if not self._filter.pays(rows, measured / len(Q) - k, unsure):
            self._filter.leave(rows)
        if unsure and not rows.certain:
            again = np.flatnonzero(~sure)
            rows = self._filter.float32()
            found = self._search(rows, Q[again], own[again], k, share)
            sqdist[again], ids[again], sure[again], _ = found
        return sqdist, ids, sure

    def _search(self, rows, Q, own, k, share):
        """Neighbours, which are proven, and the distances measured."""
        queries, squares = self._shifted(Q)
        norms = np.sqrt(squares)
        prepared = rows.queries(queries, norms)
        # A row of the base that is left out is scanned like the others.
        wanted = k + bool((own >= 0).any())
        reservoir, best = self._kept(rows, prepared, wanted, share)
        slack = float64_error(norms, self._peak, Q.shape[1])
        given = (Q, own, squares, slack, best), prepared, reservoir
        sqdist, ids, measured = self._ranked(rows, k, share.n_threads, *given)
        _, _, counts, floors = reservoir
        sure = counts >= 0
        if not rows.certain:
            sure &= floors + prepared.margin + slack < (squares - sqdist[:, -1]) / 2
        return sqdist, ids, sure, measured

    def _kept(self, rows, prepared, k, share):
        """Reservoir of all that may be among the k best, and the k-th best scores."""
        import torch

        from ._fast_kernels import join, prune

        n_samples = len(self.X_)
        parts = equal_parts(n_samples, share.n_threads, max(2 * TILE, 8 * k), TILE)

        def scan(part):
            return self._scan(rows, prepared, k, share.n_bytes, part)

        reservoir = join(in_threads(scan, parts, share.n_threads, torch=torch))
        best = prune(
            reservoir, rows.reach(prepared), rows.unit, rows.rank(k, n_samples)
        )
        _, ids, counts, _ = reservoir
        # Any k others of a query will do for the last resort.
        enough = min(k, n_samples)
        few = counts < enough
        ids[few, :enough] = np.arange(enough)
        counts[few] = -1
        return reservoir, best

    def _scan(self, rows, prepared, k, n_bytes, part):
        """Reservoir of those in one part of the base that may be among the k best."""
        from ._fast_kernels import prune
        from ._fast_scan import RUN, first_floors, scan

        n_queries, n_samples = len(prepared.ratio), part.stop - part.start
        tile = max(RUN, min(TILE, n_bytes // (4 * n_queries)))
        tile -= tile % RUN
        first = max(tile, _up(2 * k, RUN))
        capacity = min(rows.capacity(k), _up(n_samples, RUN)) + RUN
        values = np.empty((n_queries, capacity), dtype=np.float32)
        ids = np.empty((n_queries, capacity), dtype=np.int32)
        counts = np.where(prepared.bad, -1, 0)
        reach = rows.reach(prepared)
        floors = np.full(n_queries, -3e38, dtype=np.float32)
        reservoir = values, ids, counts, floors
        nothing = np.zeros(max(first, tile), dtype=np.float32)
        out = None
        start, pruned = part.start, k
        while start < part.stop:
            width = first if start == part.start else tile
            width = min(width, _up(part.stop - start, RUN))
            if out is None or out.shape[1] != width:
                out = np.empty((n_queries, width), dtype=rows.product_dtype)
            stop = min(start + width, part.stop)
            if stop - start == width:
                rows.products(prepared.low, slice(start, stop), out)
            else:
                last = np.empty((n_queries, stop - start), dtype=rows.product_dtype)
                rows.products(prepared.low, slice(start, stop), last)
                out[:, : stop - start] = last
                out[:, stop - start :] = rows.nothing
            scale = (nothing if rows.scale is None else rows.scale[start:])[:width]
            half = (nothing if rows.half is None else rows.half[start:])[:width]
            rank = rows.rank(k, stop - part.start)
            terms = scale, half, prepared.ratio, reach, rows.unit, rank
            if start == part.start:
                first_floors(out, *terms, floors)
            scan(out, start, *terms, reservoir)
            start = stop
            if start < part.stop and counts.mean() > 1.5 * pruned + k // 2 + 32:
                prune(reservoir, reach, rows.unit, rank)
                pruned = counts.mean()
        return reservoir

    def _ranked(self, rows, k, n_threads, queries, prepared, reservoir):
        """Nearest of those kept, and how many distances were measured."""
        from ._fast_rank import rank

        def choose(part):
            some = (array[part] for array in queries)
            kept = tuple(array[part] for array in reservoir)
            return rank(self.X_, rows, k, *some, prepared.part(part), kept)

        parts = equal_parts(len(prepared.ratio), n_threads)
        sqdist, ids, measured = zip(*in_threads(choose, parts, n_threads))
        return np.concatenate(sqdist), np.concatenate(ids), sum(measured)


def import_numba():
    """Import numba, or say how to get it."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "algorithm='fast' needs numba, which is not installed. Install it with "
            "pip install 'skknn[fast]', or use algorithm='auto'."
        ) from error


def _up(n, step):
    """``n`` rounded up to a multiple of ``step``."""
    return -(-n // step) * step
