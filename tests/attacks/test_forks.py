"""Processes that are forked while threads of ours hold locks go on all the same."""

import os
import signal
import threading
import time
import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from skknn.classifiers._convergence import convergence_failures
from skknn.utils._locks import ForkSafeLock
from skknn.utils._precision import exact_float32
from skknn.utils._threads import faiss_settings, run_blocks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")


def fork(what):
    """Whether ``what`` is true in a fork, which may take some seconds."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if what() else 1)
        except BaseException:
            os._exit(2)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


class Held:
    """A thread that is in the middle of something."""

    def __init__(self, context):
        self._inside, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(context,))

    def _run(self, context):
        with context:
            self._inside.set()
            self._go.wait(60)

    def __enter__(self):
        self._thread.start()
        assert self._inside.wait(60)

    def __exit__(self, *exc_info):
        self._go.set()
        self._thread.join()


class Settings:
    """What :func:`faiss_settings` sets."""

    def __init__(self):
        self.cvar = type("", (), {"distance_compute_blas_threshold": 20})()

    def omp_get_max_threads(self):
        return 2

    def omp_set_num_threads(self, n):
        pass


def test_a_lock_that_another_thread_holds():
    lock = ForkSafeLock()

    def take():
        with lock:
            return True

    with Held(lock):
        assert fork(take)
    assert take()


def test_a_search_of_faiss_under_way():
    def search():
        with faiss_settings(Settings(), 1):
            return True

    with Held(faiss_settings(Settings(), 1)):
        assert fork(search)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if "blas" in str(pool)]


def test_limits_of_a_search_are_not_kept():
    before, inside, go = blas_threads(), threading.Event(), threading.Event()

    def block(number):
        inside.set()
        go.wait(60)

    thread = threading.Thread(target=run_blocks, args=(block, [0, 1], 2))
    thread.start()
    assert inside.wait(60)
    try:
        assert fork(lambda: blas_threads() == before)
    finally:
        go.set()
        thread.join()
    assert blas_threads() == before


def test_settings_of_products_are_not_kept():
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")

    def setting():
        return torch.get_float32_matmul_precision()

    try:
        with Held(exact_float32()):
            assert setting() == "highest"
            assert fork(lambda: setting() == "medium")
        assert setting() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_warnings_go_their_own_way():
    def told():
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.warn("unheard", ConvergenceWarning, stacklevel=1)
        return not seen

    filters = list(warnings.filters)
    with Held(convergence_failures()):
        assert fork(lambda: list(warnings.filters) == filters and told())
    assert list(warnings.filters) == filters
