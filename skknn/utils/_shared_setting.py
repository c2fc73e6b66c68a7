"""Settings of the process while any thread is inside: set once, restored once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ._locks import ForkSafeLock, in_forks


class SharedSetting:
    """Settings of the process that the first to enter makes and the last undoes.

    Nested ones would restore each other's values when searches run in several threads
    of the user, and leave the process as it was within.

    Parameters
    ----------
    change : callable
        Makes the settings; returns what undoes them.
    undo : callable
        Is given that.
    """

    def __init__(
        self, change: Callable[[], Any], undo: Callable[[Any], object]
    ) -> None:
        self._change, self._undo = change, undo
        self._lock = ForkSafeLock()
        self._inside, self._before = 0, None  # type: int, Any
        in_forks(self._leave_to_parent)

    @contextmanager
    def held(self) -> Iterator[Any]:
        """Be inside; yields what ``change`` returned to the first."""
        with self._lock:
            if self._inside == 0:
                self._before = self._change()
            self._inside += 1
        try:
            yield self._before
        finally:
            with self._lock:
                self._inside = max(0, self._inside - 1)
                if self._inside == 0:
                    self._undo(self._before)

    def _leave_to_parent(self) -> None:
        """Undo them in a fork: the threads that need them are not there."""
        if self._inside:
            self._inside = 0
            self._undo(self._before)
