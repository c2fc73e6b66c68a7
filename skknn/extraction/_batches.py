"""Prepared items in batches through a job, halved when the device's memory runs out."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._out_of_memory import is_out_of_memory, release_memory
from ..utils._warn import warn
from ._job import Job
from ._lookup import Todo


@dataclass(frozen=True)
class _Batch:
    todos: list[Todo]
    prepared: list[Any]
    launched: Any


class Batches:
    """Launch batches and collect their rows.

    On an accelerator one batch is computed while the next is launched, so that the
    device never waits for the host; where the threads compute, at once.

    Parameters
    ----------
    job : Job
    unit : str
        What one item is called in messages.
    """

    def __init__(self, job: Job, unit: str) -> None:
        self._job, self._unit = job, unit
        self._limit = job.batch_size
        self._n_waiting = 0 if job.computes_in_workers else 1
        self._launched: deque[_Batch] = deque()

    def add(
        self, todos: list[Todo], prepared: list[Any]
    ) -> Iterator[tuple[list[Todo], NDArray[np.float32]]]:
        """Launch items; yield what is finished, perhaps of earlier calls.

        Raises
        ------
        MemoryError
            If a single item does not fit.
        """
        start = 0
        while start < len(todos):
            stop = start + self._limit
            part, values = todos[start:stop], prepared[start:stop]
            done = self._attempt(self._job.launch, values, len(part))
            if done is None:
                # What is under way may be what holds the memory.
                yield from self.finish()
                continue
            self._launched.append(_Batch(part, values, done))
            start = stop
            yield from self._collect(self._n_waiting)

    def finish(self) -> Iterator[tuple[list[Todo], NDArray[np.float32]]]:
        """Yield all that was launched."""
        yield from self._collect(0)

    def _collect(
        self, n_waiting: int
    ) -> Iterator[tuple[list[Todo], NDArray[np.float32]]]:
        while len(self._launched) > n_waiting:
            batch = self._launched.popleft()
            todos, prepared = batch.todos, batch.prepared
            done = self._attempt(self._job.collect, batch.launched, len(todos))
            del batch  # and what it launched
            if done is None:
                yield from self.add(todos, prepared)
            else:
                yield todos, done

    def _attempt(self, function: Callable[[Any], Any], argument: Any, n: int) -> Any:
        """Return what a function gives for ``n`` items; None if memory ran out."""
        try:
            return function(argument)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if n == 1:
                raise does_not_fit(f"a single {self._unit}") from error
        # Not before: the error's traceback holds all that was computed.
        self._halve(n)
        return None

    def _halve(self, n: int) -> None:
        """Go on with smaller batches."""
        self._limit = max(1, n // 2)
        release_memory()
        warn(
            f"The device ran out of memory with {n} {self._unit}s at a time; going on "
            f"with {self._limit}. Set batch_size={self._limit} to spare the attempt."
        )


def does_not_fit(what: str) -> MemoryError:
    """Return the error for what does not fit alone."""
    return MemoryError(
        f"The device ran out of memory with {what}. Use a smaller image_size, "
        "precision='bf16', another backbone or device='cpu'."
    )
