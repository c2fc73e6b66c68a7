"""Items decoded and prepared in threads, in order, a bounded number ahead."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from ..modalities import BadItemError, Content, ItemSource
from ..utils._out_of_memory import is_out_of_memory, release_memory
from ._batches import does_not_fit
from ._job import Job
from ._lookup import Todo

# How often an item is tried again when memory runs out.
_ATTEMPTS = 3
# What items under way may hold as they were read: 30 photos of 24 megapixels.
_AHEAD_BYTES = 2**28


class Preparation:
    """Run :meth:`Job.prepare` in threads.

    Parameters
    ----------
    job : Job
    items : ItemSource
    n_threads : int
    start_thread : callable
        Called once in every thread.
    ahead : int
        Items under way at a time.
    """

    def __init__(
        self,
        job: Job,
        items: ItemSource,
        n_threads: int,
        start_thread: Callable[[], None],
        ahead: int,
    ) -> None:
        self._job, self._items = job, items
        self._n_threads, self._ahead = n_threads, ahead
        self._threads = ThreadPoolExecutor(n_threads, "skknn-work", start_thread)
        self._under_way: deque[tuple[Todo, Content | None, Future[Any]]] = deque()
        self._bytes = 0

    def __enter__(self) -> "Preparation":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        return len(self._under_way)

    def is_full(self) -> bool:
        """Tell whether :meth:`take` has to come before the next :meth:`submit`."""
        n = len(self._under_way)
        too_large = self._bytes > _AHEAD_BYTES and n >= 2 * self._n_threads
        return n >= self._ahead or too_large

    def submit(self, todo: Todo, content: Content | None) -> None:
        """Begin with an item, which is read in the thread if it was not before."""
        self._bytes += 0 if content is None else content.n_bytes
        future = self._threads.submit(self._prepare, todo, content)
        self._under_way.append((todo, content, future))

    def take(self, n: int) -> Iterator[tuple[Todo, Any]]:
        """Wait for the ``n`` oldest items.

        Yields
        ------
        todo, prepared
            What :meth:`Job.prepare` gave, or the :class:`BadItemError` of an item that
            cannot be used.
        """
        for _ in range(min(n, len(self._under_way))):
            todo, content, future = self._under_way.popleft()
            self._bytes -= 0 if content is None else content.n_bytes
            try:
                result = self._result(todo, content, future)
            except BadItemError as error:
                result = error
            del content, future
            yield todo, result

    def _prepare(self, todo: Todo, content: Content | None) -> Any:
        try:
            return self._job.prepare(self._items.item(todo.row, content), todo.missing)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = str(error)
        # The error's traceback would hold all that was computed, while it is tried
        # again.
        raise MemoryError(message)

    def _result(self, todo: Todo, content: Content | None, future: Future[Any]) -> Any:
        for attempt in range(_ATTEMPTS + 1):
            try:
                return future.result()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if attempt == _ATTEMPTS:
                    raise does_not_fit(f"row {todo.row}") from error
            # Perhaps it fits when nothing else is running.
            wait([future for *_, future in self._under_way])
            release_memory()
            future = self._threads.submit(self._prepare, todo, content)
        raise AssertionError("the last attempt returns or raises")
