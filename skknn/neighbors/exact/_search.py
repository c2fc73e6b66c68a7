"""The exact search: propose, rerank, certify, exhaust what is not certain."""

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils._threads import in_threads, n_threads, run_blocks
from .._engine import Engine, Neighbors
from .._rows import IndexRows, blocks_of
from ._candidates import Candidates, QueryBlock
from ._distances import Measure, measure, sort_neighbors
from ._exhaustive import EXHAUSTIVE_QUERIES, exhaustive_search

# Bytes of scores at a time: of one thread, and of all.
_THREAD_BYTES = 1 << 25
_SCORE_BYTES = 1 << 27
# Products with fewer queries than this are much slower: threads then share the rows.
_FEW_QUERIES = 64
# Queries, and share of them that may be uncertain, before a proposer is given up.
_TRIAL, _UNCERTAIN = 128, 0.1


class Proposer(ABC):
    """Finds candidates by scores that are cheap and rough.

    Parameters
    ----------
    rows : IndexRows
    """

    #: Queries handed to a thread at a time.
    query_rows = 256
    #: Bytes that each score takes until candidates are chosen; 0 where none is kept.
    score_bytes = 0
    #: Whether a call uses all threads itself.
    alone = False

    def __init__(self, rows: IndexRows) -> None:
        self.rows = rows

    @abstractmethod
    def n_candidates(self, k: int) -> int:
        """Rows proposed, where there are so many."""

    @abstractmethod
    def propose(
        self, queries: QueryBlock, part: slice, k: int, n_threads: int
    ) -> Candidates:
        """Candidates for the k nearest rows within a slice of the index.

        Scores too large for their dtype may end as inf or NaN: then ``outside`` must
        be NaN or inf too.
        """


class ExactSearch(Engine):
    """Exact neighbours of queries, in Euclidean distance or its square.

    Parameters
    ----------
    rows : IndexRows
    name : str
    proposers : sequence of subclasses of Proposer
        What the first one leaves uncertain is proposed by the next, and searched in
        float64 at last. They are made when the first queries come, and are left out
        of pickles.
    measure : callable, optional
        See :data:`Measure`. All distances of an engine are measured by the same one.
    n_jobs : int or None
        Threads over blocks of queries, or over parts of the index where queries are
        few. None takes as many as BLAS may use.
    """

    def __init__(
        self,
        rows: IndexRows,
        name: str,
        proposers: Sequence[type[Proposer]],
        measure: Measure = measure,
        n_jobs: int | None = None,
    ) -> None:
        self.rows, self.name, self.n_jobs = rows, name, n_jobs
        self._kinds, self._measure = tuple(proposers), measure
        self._start_anew()

    def _start_anew(self) -> None:
        self._proposers: dict[int, Proposer] = {}
        self._first = 0
        self._making = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Rows and settings; what is made of them is made again."""
        made = ("_proposers", "_first", "_making")
        return {name: v for name, v in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_anew()

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        distances = np.empty((len(queries), k), dtype=np.float64)
        ids = np.empty((len(queries), k), dtype=np.intp)
        sure = np.zeros(len(queries), dtype=bool)
        threads = n_threads(self.n_jobs)

        def block_of(which: slice | NDArray) -> QueryBlock:
            out = None if exclude is None else exclude[which]
            return QueryBlock.of(self.rows, queries[which], out)

        for number in range(self._first, len(self._kinds)):
            unsure: Any = np.flatnonzero(~sure)
            if len(unsure) == 0:
                break
            proposer = self._proposer(number)
            blocks: Any = self._blocks(len(unsure), proposer, k, threads)
            if len(unsure) < len(queries):
                blocks = [unsure[block] for block in blocks]
            each = 1 if len(blocks) >= threads and not proposer.alone else threads

            def settle(which: Any, proposer: Proposer = proposer, each: int = each):
                found = self._settle(proposer, block_of(which), k, each)
                distances[which], ids[which], sure[which] = found

            torch = sys.modules.get("torch")
            run_blocks(settle, blocks, threads // each, torch=torch)
            failed = len(unsure) - sure[unsure].sum()
            if len(unsure) >= _TRIAL and failed > _UNCERTAIN * len(unsure):
                # Too rough for these rows: not asked again while there is another.
                self._first = min(number + 1, len(self._kinds) - 1)

        def exhaust(which: NDArray) -> None:
            distances[which], ids[which] = exhaustive_search(
                block_of(which), self.rows, k, distances[which, -1], self._measure
            )

        unsure = np.flatnonzero(~sure)
        if len(unsure):
            # Ties with k near n would make one block as large as n x n.
            blocks = blocks_of(len(unsure), 8 * k, 8 * k * EXHAUSTIVE_QUERIES)
            run_blocks(exhaust, [unsure[block] for block in blocks], self.n_jobs)
        return distances, ids

    def _proposer(self, number: int) -> Proposer:
        with self._making:
            if number not in self._proposers:
                self._proposers[number] = self._kinds[number](self.rows)
            return self._proposers[number]

    def _blocks(
        self, n_queries: int, proposer: Proposer, k: int, n_threads: int
    ) -> list[slice]:
        """Slices of queries, of equal size, as many as keep all threads busy."""
        size = _SCORE_BYTES // (n_threads * (200 * k + 1000))
        size = max(1, min(proposer.query_rows, size))
        count = max(1, -(-n_queries // size))
        if n_queries >= n_threads * _FEW_QUERIES and not proposer.alone:
            count = -(-count // n_threads) * n_threads
        return equal_parts(n_queries, count)

    def _settle(
        self, proposer: Proposer, queries: QueryBlock, k: int, n_threads: int
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Distances and ids of a block, and which of its queries are certain."""
        n_samples = len(self.rows)
        wanted = k + (queries.exclude is not None)
        n_candidates = proposer.n_candidates(wanted)
        if n_candidates >= n_samples:
            candidates = Candidates.all_rows(len(queries), n_samples)
        else:
            n_bytes = min(_THREAD_BYTES, _SCORE_BYTES // n_threads)
            count = -(-n_samples * len(queries) * proposer.score_bytes // n_bytes)
            workers = 1 if proposer.alone else n_threads
            parts = equal_parts(n_samples, max(count, workers), least=4 * wanted)
            found = in_threads(
                lambda part: proposer.propose(queries, part, wanted, n_threads),
                parts,
                workers,
                torch=sys.modules.get("torch"),
            )
            candidates = Candidates.join(found)
            if proposer.score_bytes:
                candidates = candidates.best(n_candidates)
        shares = equal_parts(len(queries), n_threads)
        reranked = in_threads(
            lambda share: self._rerank(queries[share], candidates[share], k),
            shares,
            n_threads,
        )
        distances, ids = (np.concatenate(arrays) for arrays in zip(*reranked))
        return distances, ids, self._certain(queries, candidates, distances[:, -1])

    def _rerank(
        self, queries: QueryBlock, candidates: Candidates, k: int
    ) -> tuple[NDArray, NDArray]:
        """Distances and ids of the k nearest candidates."""
        values, ids, ceilings = queries.values, candidates.ids, candidates.ceilings
        if queries.exclude is not None:
            own = ids == queries.exclude[:, None]
            ceilings = np.where(own, -np.inf, ceilings)
        # The k most promising ones tell which of the others can be nearer.
        place = ceilings.shape[1] - k
        lead = np.partition(ceilings, place, axis=1)[:, place, None]
        first = (ceilings >= lead) & (ceilings > -np.inf)
        distances = self._measure(values, self.rows.values, ids, first)
        farthest = np.where(first, distances, -np.inf).max(axis=1)
        least = (queries.squared_norms - farthest) / 2 - queries.tolerance
        more = (ceilings >= least[:, None]) & ~first
        if more.any():
            others = self._measure(values, self.rows.values, ids, more)
            np.minimum(distances, others, out=distances)
        if self.rows.rooted:
            np.sqrt(distances, out=distances)
        return sort_neighbors(distances, ids, k)

    def _certain(
        self, queries: QueryBlock, candidates: Candidates, last: NDArray
    ) -> NDArray[np.bool_]:
        """Whether no row outside the candidates can come before the k-th neighbour."""
        sqdist = last**2 if self.rows.rooted else last
        least = (queries.squared_norms - sqdist) / 2
        return candidates.outside + queries.tolerance < least


def equal_parts(n: int, count: int, least: int = 1) -> list[slice]:
    """At most ``count`` slices of ``range(n)``, of at least ``least`` where possible.

    All but the last one have the same size.
    """
    count = max(1, min(count, n // least))
    size = max(1, -(-n // count))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
