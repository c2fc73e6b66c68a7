"""The frame of every exact engine: propose, measure, certify, complete."""

import threading
from typing import NamedTuple

import numpy as np

from ..utils._threads import in_threads, n_threads, run_blocks
from ._bounds import float64_error
from ._complete import COMPLETE_ROWS, complete
from ._exact import canonical_order, direct_sqdist, pair_sqdist

# Bytes of float64 rows handled at a time.
_BLOCK_BYTES = 1 << 23

# Bytes of scores at a time: of one thread, and of all.
_THREAD_BYTES = 1 << 25
_SCORE_BYTES = 1 << 27

# Products with fewer queries than this are much slower: threads then share the base.
_FEW_ROWS = 64

_making = threading.RLock()


class Share(NamedTuple):
    """What the search for a block of queries may take."""

    n_bytes: int  # scores of one thread
    n_threads: int


class CertifiedEngine:
    """Exact squared Euclidean neighbours of dense rows.

    With rows shifted by a common vector, ``score = q.x - |x|^2 / 2`` falls as the
    distance grows. A subclass proposes candidates by a cheap, inexact score and says
    how far it may be from the true one. The candidates are measured by differences
    in float64. A query is settled when no row outside the candidates can come
    before the k-th neighbour, ties included; the others are searched again in
    float64 (``_complete``). The result is therefore the same in every engine.

    Subclasses define ``_make_filter()``, which returns whatever makes products with
    the base fast, and ``_propose`` or ``_block`` for a block of queries, within a
    :class:`Share` of the machine. ``_propose`` returns ids and, for each, the largest
    true score it may have; None instead of these if all rows are proposed. The filter
    is made when the first queries come and is left out of pickles.

    Parameters
    ----------
    n_jobs : int or None
        Threads over blocks of queries, or over parts of the base where queries are
        few. None takes as many as BLAS may use.
    """

    name = "certified"
    #: Queries handed to a thread at a time.
    query_rows = 256

    def __init__(self, n_jobs=None):
        self.n_jobs = n_jobs

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        self.X_ = X
        self._shift = _helpful_shift(X)
        self._half = np.empty(len(X))
        for part, rows in self._float64_blocks():
            self._half[part] = np.einsum("ij,ij->i", rows, rows) / 2
        self._peak = float(np.sqrt(2 * self._half.max())) * (1 + 1e-12)
        self._filter = None
        return self

    def kneighbors(self, Q, k, exclude=None):
        """The k nearest rows of each query.

        Parameters
        ----------
        Q : ndarray of shape (n_queries, n_features)
        k : int
            At most n_samples, or n_samples - 1 with ``exclude``.
        exclude : ndarray of shape (n_queries,), int, optional
            One row of the base for each query that is no neighbour of it.

        Returns
        -------
        sqdist : ndarray of shape (n_queries, k), float64
        ids : ndarray of shape (n_queries, k), intp
            Sorted by (distance, index).
        """
        with _making:
            if self._filter is None:
                self._filter = self._make_filter()
        sqdist = np.empty((len(Q), k), dtype=np.float64)
        ids = np.empty((len(Q), k), dtype=np.intp)
        sure = np.empty(len(Q), dtype=bool)

        threads = n_threads(self.n_jobs)
        n_bytes = min(_THREAD_BYTES, _SCORE_BYTES // threads)

        def settle(rows, n_threads):
            out = None if exclude is None else exclude[rows]
            found = self._block(Q[rows], k, out, Share(n_bytes, n_threads))
            sqdist[rows], ids[rows], sure[rows] = found

        def finish(rows):
            out = None if exclude is None else exclude[rows]
            sqdist[rows], ids[rows] = complete(
                Q[rows], self.X_, self._shift, self._peak, k, sqdist[rows, -1], out
            )

        self._run(settle, self._blocks(len(Q), k, threads), threads)
        unsure = np.flatnonzero(~sure)
        if len(unsure):
            # Ties with k near n would make one block as large as n x n.
            size = max(1, min(COMPLETE_ROWS, _BLOCK_BYTES // (8 * k)))
            blocks = np.split(unsure, range(size, len(unsure), size))
            run_blocks(finish, blocks, self.n_jobs)
        return sqdist, ids

    def __getstate__(self):
        return {**self.__dict__, "_filter": None}

    def _run(self, settle, blocks, n_threads, torch=None):
        """Settle one block in each thread, or one by one with all threads for each."""
        each = 1 if len(blocks) >= n_threads else n_threads
        run_blocks(
            lambda rows: settle(rows, each), blocks, n_threads // each, torch=torch
        )

    def _blocks(self, n_queries, k, n_threads):
        """Slices of queries, of equal size, as many as keep all threads busy."""
        size = _SCORE_BYTES // (n_threads * self._row_bytes(k))
        size = max(1, min(self.query_rows, size))
        count = max(1, -(-n_queries // size))
        if n_queries >= n_threads * _FEW_ROWS:
            count = -(-count // n_threads) * n_threads
        size = -(-n_queries // count)
        return [slice(a, a + size) for a in range(0, n_queries, size)]

    def _base_parts(self, column_bytes, k, share):
        """Slices of the base whose scores fit, at least as many as there are threads.

        Each has several times k rows.
        """
        n_samples = len(self.X_)
        count = max(-(-n_samples * column_bytes // share.n_bytes), share.n_threads)
        return equal_parts(n_samples, count, least=4 * k)

    def _row_bytes(self, k):
        """Memory for the candidates of one query."""
        return 200 * k + 1000

    def _block(self, Q, k, exclude, share):
        """Neighbours of a block, and which rows are proven."""
        queries, squares = self._shifted(Q)
        norms = np.sqrt(squares)
        candidates, ceiling = self._propose(queries, norms, k, exclude, share)
        slack = float64_error(norms, self._peak, Q.shape[1])

        def measure(rows):
            given = Q, candidates, ceiling, squares, slack, exclude
            given = (None if a is None else a[rows] for a in given)
            return self._measure(*given, k)

        parts = equal_parts(len(Q), share.n_threads)
        found = in_threads(measure, parts, share.n_threads)
        sqdist, ids = (np.concatenate(arrays) for arrays in zip(*found))
        if ceiling is None:
            return sqdist, ids, True
        # No row outside the candidates has a score above the lowest ceiling.
        sure = ceiling.min(axis=1) + slack < (squares - sqdist[:, -1]) / 2
        return sqdist, ids, sure

    def _measure(self, Q, ids, ceiling, squares, slack, exclude, k):
        """Distances and ids of the k nearest candidates, in canonical order."""
        lead = k if exclude is None else k + 1
        if ceiling is not None:
            order = np.argsort(-ceiling, axis=1)
            ids = np.take_along_axis(ids, order, axis=1)
            ceiling = np.take_along_axis(ceiling, order, axis=1)
        own = None if exclude is None else ids == exclude[:, None]
        if ceiling is None:
            sqdist = direct_sqdist(Q, self.X_, ids)
        else:
            # The k most promising ones tell which of the others can be nearer.
            sqdist = np.full(ids.shape, np.inf)
            sqdist[:, :lead] = direct_sqdist(Q, self.X_, ids[:, :lead])
            if own is not None:
                sqdist[own] = 0.0
            least = (squares - sqdist[:, :lead].max(axis=1)) / 2 - slack
            rows, columns = np.nonzero(ceiling[:, lead:] >= least[:, None])
            columns += lead
            sqdist[rows, columns] = pair_sqdist(Q, self.X_, rows, ids[rows, columns])
        if own is not None:
            sqdist[own] = np.inf
        sqdist, ids = canonical_order(sqdist, ids, k)
        return sqdist[:, :k], ids[:, :k]

    def _shifted(self, Q):
        """Float64 queries minus the shift, and their squared norms."""
        queries = Q.astype(np.float64)
        if self._shift is not None:
            queries -= self._shift
        return queries, np.einsum("ij,ij->i", queries, queries)

    def _float64_blocks(self):
        """Pairs (slice, shifted float64 rows) over the base."""
        size = max(1, _BLOCK_BYTES // (8 * max(1, self.X_.shape[1])))
        for start in range(0, len(self.X_), size):
            part = slice(start, start + size)
            yield part, self._shifted_rows(part)

    def _shifted_rows(self, part):
        rows = self.X_[part].astype(np.float64)
        if self._shift is not None:
            rows -= self._shift
        return rows


def equal_parts(n, count, least=1, step=1):
    """At most ``count`` slices of ``range(n)``, of at least ``least`` where possible.

    All but the last one hold a multiple of ``step``.
    """
    count = max(1, min(count, n // least))
    size = max(1, -(-n // count))
    size = -(-size // step) * step
    return [slice(a, min(a + size, n)) for a in range(0, n, size)]


def _helpful_shift(X):
    """The mean of the rows where they lie off the origin, else None.

    Distances do not feel a shift but rounding does. Prepared rows are nearly centred
    already, and then a copy is saved.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    energy = np.einsum("ij,ij->", X, X, dtype=np.float64) / len(X)
    return mean if 2 * (mean @ mean) > energy else None
