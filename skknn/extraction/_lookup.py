"""Which rows have to be computed: the others come from the cache, or come twice."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ..modalities import BadItemError, Content, ItemSource
from ._block_cache import BlockCache
from ._row_cache import RowCache
from ._rows import RowTable

# Items that a reading thread takes at a time, before the cache is asked for them.
_READ = 16
# What may be read, but not yet looked up, at a time: 30 photos of 24 megapixels.
_READ_AHEAD_BYTES = 2**28


@dataclass(frozen=True)
class Todo:
    """A row that has to be computed.

    Attributes
    ----------
    row : int
    key : bytes or None
        Digest of the content; None without a cache.
    missing : frozenset of str or None
        The blocks of the row that are wanted; None means all.
    """

    row: int
    key: bytes | None = None
    missing: frozenset[str] | None = None


@dataclass(frozen=True)
class _Read:
    """A row that was read, or the error that says why not."""

    row: int
    key: bytes = b""
    content: Content | None = None
    error: BadItemError | None = None


class Lookup:
    """Iterate over the rows that have to be computed; deliver the others.

    With a cache, items are read and digested in threads ahead of the iteration, and an
    item that comes several times is computed once.

    Parameters
    ----------
    items : ItemSource
    cache : RowCache, BlockCache or None
    table : RowTable
        Gets the rows that are in the cache, and what cannot be read.
    n_threads : int
    """

    def __init__(
        self,
        items: ItemSource,
        cache: RowCache | BlockCache | None,
        table: RowTable,
        n_threads: int,
    ) -> None:
        self._items, self._cache, self._table = items, cache, table
        self._n_parts = 2 * n_threads + 1
        self._readers = ThreadPoolExecutor(n_threads, "skknn-read")
        self._waiting: dict[bytes, list[int]] = {}  # key -> rows that will get it

    def __enter__(self) -> "Lookup":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[Todo, Content | None]]:
        """Yield what has to be computed, with what was read; None without a cache."""
        if self._cache is None:
            yield from ((Todo(row), None) for row in range(len(self._items)))
            return
        for part in self._parts():
            yield from self._not_cached(part, self._cache)

    def rows_of(self, todo: Todo) -> list[int]:
        """Return all rows that a computed one is for; called once for each."""
        return [todo.row] if todo.key is None else self._waiting.pop(todo.key)

    def _parts(self) -> Iterator[list[_Read]]:
        """Yield what was read, in order, some parts ahead."""
        n = len(self._items)
        left = deque(range(low, min(low + _READ, n)) for low in range(0, n, _READ))
        parts: deque[Future[tuple[list[_Read], Sequence[int]]]] = deque()
        while left or parts:
            while left and len(parts) < self._n_parts:
                parts.append(self._readers.submit(self._read, left.popleft()))
            done, rest = parts.popleft().result()
            if rest:
                parts.appendleft(self._readers.submit(self._read, rest))
            yield done

    def _read(self, rows: Sequence[int]) -> tuple[list[_Read], Sequence[int]]:
        """Read and digest, in a thread, as many items as may be held."""
        done: list[_Read] = []
        held = 0
        for row in rows:
            if held > _READ_AHEAD_BYTES // self._n_parts:
                break
            try:
                content = self._items.fetch(row)
                done.append(_Read(row, content.digest(), content))
                held += content.n_bytes
            except Exception as error:
                done.append(_Read(row, error=self._items.bad(row, error)))
        return done, rows[len(done) :]

    def _not_cached(
        self, part: list[_Read], cache: RowCache | BlockCache
    ) -> Iterator[tuple[Todo, Content | None]]:
        keys = [read.key for read in part if read.error is None]
        found = cache.get([key for key in keys if key not in self._waiting])
        begun = set(self._waiting)
        for read in part:
            row, key = read.row, read.key
            if read.error is not None:
                self._table.fail([row], read.error)
            elif key in found:
                self._table.deliver([row], found[key])
            elif key in self._waiting:
                self._waiting[key].append(row)
            elif key in begun and (again := cache.get([key])):
                # Finished since the cache was asked.
                self._table.deliver([row], again[key])
            else:
                begun.add(key)
                self._waiting[key] = [row]
                yield Todo(row, key, cache.missing(key)), read.content
