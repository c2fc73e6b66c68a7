"""Settings of the process while any thread is inside: set once, restored once."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class SharedSetting:
    """Settings of the process that the first to enter makes and the last undoes.

    Nested ones would restore each other's values when searches run in several threads
    of the user, and leave the process as it was within.

    A process that is forked has one thread, the one that forked. Where that is inside,
    it goes on inside in both processes, and each undoes the settings when it leaves.
    Where only others are inside, the new process begins with the settings undone.
    New processes that are not forks know nothing of all this.

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
        # No fork finds it held by a thread that it lacks. One that forks within
        # ``change`` has it already.
        self._lock = threading.RLock()
        self._inside: dict[object, int] = {}  # one key an entry -> its thread
        self._before: Any = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._lock_for_fork,
                after_in_parent=self._unlock,
                after_in_child=self._go_on_alone,
            )

    @contextmanager
    def held(self) -> Iterator[Any]:
        """Be inside; yields what ``change`` returned to the first."""
        entry = object()
        with self._lock:
            if not self._inside:
                self._before = self._change()
            self._inside[entry] = threading.get_ident()
        try:
            yield self._before
        finally:
            with self._lock:
                # None in a fork that was not made by the thread that entered.
                known = self._inside.pop(entry, None) is not None
                if known and not self._inside:
                    self._undo(self._before)

    def _lock_for_fork(self) -> None:
        """Let nobody be halfway in or out while a process is forked."""
        self._lock.acquire()

    def _unlock(self) -> None:
        self._lock.release()

    def _go_on_alone(self) -> None:
        """Undo the settings in a fork unless its only thread is inside."""
        self._lock = threading.RLock()  # whoever waited for the other is not there
        me, before = threading.get_ident(), len(self._inside)
        self._inside = {e: thread for e, thread in self._inside.items() if thread == me}
        if before and not self._inside:
            self._undo(self._before)
