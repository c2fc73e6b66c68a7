"""The exact search: propose, rerank, certify, exhaust what is not certain."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils._blas import single_threaded_blas
from ...utils._locks import ForkSafeLock
from ...utils._slices import blocks_of, equal_parts
from ...utils._threads import in_threads, n_threads, run_blocks
from .._engine import Engine, Neighbors
from .._rows import IndexRows
from ._candidates import Candidates, QueryBlock
from ._distances import Measure, measure, sort_neighbors

if TYPE_CHECKING:
    from ._numpy import NumpyProposer

# Bytes of scores at a time: of one thread, and of all.
_THREAD_BYTES, _SCORE_BYTES = 1 << 25, 1 << 27
# Products with fewer queries are much slower: threads then share the rows.
_FEW_QUERIES = 64
# Numbers in the rows, and products with all queries, that are not worth other threads:
# to start them takes longer (cases small... of benchmarks/neighbors.py), and those of
# OpenBLAS wait in a busy loop for more, keeping cores from what is computed next.
_SMALL_ROWS, _SMALL_PRODUCTS = 1 << 23, 1 << 26
# Queries, and share of them that may be uncertain, before a proposer is given up.
_TRIAL, _UNCERTAIN = 128, 0.1

_making = ForkSafeLock()


@dataclass(eq=False, repr=False)
class ExactSearch(Engine):
    """Exact neighbours: what one proposer leaves uncertain is proposed by the next.

    Proposers are made when queries come, and are left out of pickles. Threads share
    blocks of queries, or parts of the index where queries are few; ``n_jobs=None``
    takes as many as BLAS may use. ``measure`` is like the function of that name.
    """

    rows: IndexRows
    name: str
    proposers: "Sequence[type[NumpyProposer]]"
    n_jobs: int | None = None
    measure: Measure = measure
    _made: "dict[int, NumpyProposer]" = field(default_factory=dict, init=False)
    _first: int = field(default=0, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Rows and settings; what is made of them is made again."""
        return {**self.__dict__, "_made": {}, "_first": 0}

    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "ExactSearch":
        return replace(self, rows=rows)

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        size = self.rows.values.size
        if size <= _SMALL_ROWS and len(queries) * size <= _SMALL_PRODUCTS:
            with single_threaded_blas():
                return self._kneighbors(queries, k, exclude, 1)
        return self._kneighbors(queries, k, exclude, n_threads(self.n_jobs))

    def _kneighbors(
        self,
        queries: NDArray,
        k: int,
        exclude: NDArray[np.intp] | None,
        threads: int,
    ) -> Neighbors:
        distances = np.empty((len(queries), k), dtype=np.float64)
        ids = np.empty((len(queries), k), dtype=np.intp)
        sure = np.zeros(len(queries), dtype=bool)
        for number in range(self._first, len(self.proposers) + 1):
            unsure = np.flatnonzero(~sure)
            if len(unsure) == 0:
                break
            proposer = self._proposer(number)
            alone = proposer is not None and proposer.alone
            blocks: list[Any] = self._blocks(len(unsure), proposer, k, threads)
            each = 1 if len(blocks) >= threads and not alone else threads
            if len(unsure) < len(queries):
                blocks = [unsure[block] for block in blocks]

            @np.errstate(over="ignore", invalid="ignore")  # such queries stay unsure
            def settle(which: Any, proposer: Any = proposer, each: int = each) -> None:
                out = None if exclude is None else exclude[which]
                block = QueryBlock.of(self.rows, queries[which], out)
                if proposer is None:
                    candidates = self._exhaust(block, distances[which, -1])
                else:
                    candidates = self._propose(proposer, block, k, each)
                found = in_threads(
                    lambda part: self._rerank(block[part], candidates[part], k),
                    equal_parts(len(block), each),
                    each,
                )
                distances[which], ids[which] = map(np.concatenate, zip(*found))
                # No row outside may come before the k-th neighbour.
                outside = candidates.outside + block.tolerance
                sure[which] = outside < self._scores(block, distances[which, -1])

            run_blocks(settle, blocks, threads // each, torch=sys.modules.get("torch"))
            if len(unsure) >= _TRIAL and (~sure[unsure]).mean() > _UNCERTAIN:
                # Too rough for these rows: not asked again while there is another.
                self._first = min(number + 1, len(self.proposers) - 1)
        return distances, ids

    def _proposer(self, number: int) -> "NumpyProposer | None":
        """None after the last one."""
        if number == len(self.proposers):
            return None
        with _making.held:
            if number not in self._made:
                self._made[number] = self.proposers[number](self.rows)
            return self._made[number]

    def _blocks(
        self, n_queries: int, proposer: "NumpyProposer | None", k: int, n_threads: int
    ) -> list[slice]:
        """Slices of queries, of equal size, as many as keep all threads busy."""
        if proposer is None:  # as many queries as keep a table of all rows small
            size = max(1, min(_FEW_QUERIES, _THREAD_BYTES // (8 * len(self.rows))))
            return blocks_of(n_queries, 1, size)
        size = _SCORE_BYTES // (n_threads * (200 * k + 1000))
        count = -(-n_queries // max(1, min(proposer.query_rows, size)))
        if n_queries >= n_threads * _FEW_QUERIES and not proposer.alone:
            count = -(-count // n_threads) * n_threads
        return equal_parts(n_queries, count)

    def _propose(
        self, proposer: "NumpyProposer", queries: QueryBlock, k: int, n_threads: int
    ) -> Candidates:
        """Candidates of a block, from all parts of the index."""
        n_samples = len(self.rows)
        wanted = k + (queries.exclude is not None)
        n_candidates = proposer.n_candidates(wanted)
        if n_candidates >= n_samples:
            return Candidates.where(np.ones((len(queries), n_samples), dtype=bool))
        n_bytes = min(_THREAD_BYTES, _SCORE_BYTES // n_threads)
        count = -(-n_samples * len(queries) * proposer.score_bytes // n_bytes)
        workers = 1 if proposer.alone else n_threads
        parts = equal_parts(n_samples, max(count, workers), least=4 * wanted)

        propose = partial(proposer.propose, queries, k=wanted, n_threads=n_threads)
        torch = sys.modules.get("torch")
        found = Candidates.join(in_threads(propose, parts, workers, torch=torch))
        return found.best(n_candidates) if proposer.score_bytes else found

    def _rerank(
        self, queries: QueryBlock, candidates: Candidates, k: int
    ) -> tuple[NDArray, NDArray]:
        """Distances and ids of the k nearest candidates, in order."""
        ids, ceilings = candidates.ids, candidates.ceilings
        if queries.exclude is not None:
            own = ids == queries.exclude[:, None]
            ceilings = np.where(own, -np.inf, ceilings)
        # The k most promising ones tell which of the others can be nearer.
        place = ceilings.shape[1] - k
        lead = np.partition(ceilings, place, axis=1)[:, place, None]
        first = (ceilings >= lead) & (ceilings > -np.inf)
        sqdist = self.measure(queries.values, self.rows.values, ids, first)
        farthest = np.where(first, sqdist, -np.inf).max(axis=1)
        least = (queries.squared_norms - farthest) / 2 - queries.tolerance
        more = (ceilings >= least[:, None]) & ~first
        if more.any():
            others = self.measure(queries.values, self.rows.values, ids, more)
            np.minimum(sqdist, others, out=sqdist)
        distances = np.sqrt(sqdist) if self.rows.rooted else sqdist
        return sort_neighbors(distances, ids, k)

    def _scores(self, queries: QueryBlock, distances: NDArray) -> NDArray:
        sqdist = distances**2 if self.rows.rooted else distances
        return (queries.squared_norms - sqdist) / 2

    def _exhaust(self, queries: QueryBlock, last: NDArray) -> Candidates:
        """All rows that can come before the k-th nearest candidate, by float64 scores.

        For many copies of one row, or rows so close that no product tells them apart.
        """
        least = self._scores(queries, last) - queries.tolerance
        possible = np.empty((len(queries), len(self.rows)), dtype=bool)
        for part, rows in self.rows.shifted_blocks():
            scores = queries.shifted @ rows.T
            scores -= self.rows.half_squared_norms[part]
            # Written so that NaN from overflow counts as possible.
            possible[:, part] = ~(scores < least[:, None])
        return Candidates.where(possible)
