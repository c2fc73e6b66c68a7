"""Locks after an interrupt."""

import sys
import threading

import numpy as np
import pytest

from skknn import SoftKNNClassifier
from skknn.utils import _locks


def search():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), np.arange(30) % 2
    return SoftKNNClassifier(3, algorithm="brute").fit(X, y).predict(X)


def interrupt(number):
    """A trace that raises once, at this event in a method of a lock."""
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_code.co_filename != _locks.__file__:
            return None
        seen += 1
        if seen == number:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("number", range(1, 8))
def test_an_interrupted_search_leaves_no_lock_behind(number):
    """As by Ctrl-C, wherever a lock is taken or given back."""
    before = sys.gettrace()
    sys.settrace(interrupt(number))
    try:
        search()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    later = threading.Thread(target=search, daemon=True)
    later.start()
    later.join(20)
    stuck = later.is_alive()
    for lock in list(_locks._ALL):  # other tests need not wait, too
        lock.renew()
    assert not stuck
