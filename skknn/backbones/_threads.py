"""One torch thread for each of our own threads."""

from contextlib import contextmanager

import torch


@contextmanager
def one_thread():
    """Compute on one thread, as :func:`one_thread_each` does in each of many."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread_each(active=True):
    """Let every thread that calls the yielded function compute alone.

    Several images side by side, each on one core, need no waiting for each other
    inside a layer. torch keeps the number of threads by thread, but hands the last
    value set to threads that are new, so it is set back at the end.
    """
    if not active:
        yield lambda: None
        return
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)
