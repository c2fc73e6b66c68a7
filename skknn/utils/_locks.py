"""Locks that a forked process does not find locked."""

import os
import threading
import weakref
from collections.abc import Callable


class ForkSafeLock:
    """A lock that is free in a new process, whoever held it when that was forked.

    The threads of a process are not there in its forks: what one of them had locked
    would stay so for ever. Used as ``with lock.held:``, which is the interpreter's own
    lock: a method in Python could be interrupted (Ctrl-C) just before it lets go, and
    whoever came later would wait for ever.

    Attributes
    ----------
    held : threading.Lock
    """

    def __init__(self) -> None:
        self.held = threading.Lock()
        _ALL.add(self)

    def renew(self) -> None:
        """Be free, in a process that was forked just now."""
        self.held = threading.Lock()


_ALL: "weakref.WeakSet[ForkSafeLock]" = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_ALL):
        lock.renew()


def in_forks(undo: Callable[[], None]) -> None:
    """Let forks begin with a call that undoes what threads of the parent were at.

    Parameters
    ----------
    undo : callable
        Locks are free already when it is called.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=undo)


in_forks(_renew_all)
