"""Processes that are forked while threads of ours hold locks go on all the same."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import joblib
import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from skknn import FungiTransformer
from skknn.classifiers._convergence import convergence_failures
from skknn.utils._locks import ForkSafeLock
from skknn.utils._precision import exact_float32
from skknn.utils._shared_setting import SharedSetting
from skknn.utils._threads import faiss_settings, run_blocks, single_threaded_torch

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

    def __init__(self, context, wait=True):
        self._wait = wait
        self._inside, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(context,))

    def _run(self, context):
        with context:
            self._inside.set()
            self._go.wait(60)

    def __enter__(self):
        self._thread.start()
        assert not self._wait or self._inside.wait(60)

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
        with lock.held:
            return True

    with Held(lock.held):
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


def exact():
    torch = pytest.importorskip("torch")
    return torch.get_float32_matmul_precision() == "highest"


@pytest.fixture
def rounding():
    """What a user lets torch do outside."""
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield torch
    torch.set_float32_matmul_precision(before)


def test_whoever_forks_inside_goes_on_inside(rounding):
    def use():
        with exact_float32():
            pass
        return exact()

    with exact_float32(), exact_float32():
        assert fork(use)
        assert exact()
    assert not exact()


def test_a_fork_that_leaves_undoes_the_settings_once(rounding):
    def leave():
        entered.close()
        undone = not exact()
        rounding.set_float32_matmul_precision("high")  # the fork's own business
        entered.close()
        return undone and rounding.get_float32_matmul_precision() == "high"

    entered = ExitStack()
    with entered:
        entered.enter_context(exact_float32())
        assert fork(leave)
        assert exact()
    assert not exact()


def test_what_others_entered_is_nothing_to_leave_in_a_fork(rounding):
    def leave():
        with exact_float32():
            theirs.close()  # as the collection of garbage may
            still = exact()
        return still and not exact()

    theirs = ExitStack()
    thread = threading.Thread(target=theirs.enter_context, args=(exact_float32(),))
    thread.start()
    thread.join()
    try:
        assert fork(leave)
        assert exact()
    finally:
        theirs.close()
    assert not exact()


def test_no_process_is_forked_while_settings_change():
    changing, go, state = threading.Event(), threading.Event(), ["before"]

    def change():
        changing.set()
        state[0] = "half"
        go.wait(60)
        state[0] = "made"
        return "before"

    def undo(value):
        state[0] = value

    setting = SharedSetting(change, undo)
    with Held(setting.held(), wait=False):
        assert changing.wait(60)
        threading.Timer(0.2, go.set).start()
        assert fork(lambda: state == ["before"])
    assert state == ["before"]


@pytest.mark.parametrize("inside", [False, True])
def test_processes_of_multiprocessing_and_joblib(inside, rounding):
    """Forked within, or while another thread is within: what either finds there."""
    with exact_float32() if inside else Held(exact_float32()):
        context = multiprocessing.get_context("fork")
        pipe, end = context.Pipe()
        process = context.Process(target=lambda: end.send(exact()))
        process.start()
        assert pipe.poll(60)
        assert pipe.recv() is inside
        process.join(60)
        for backend, found in (("multiprocessing", inside), ("loky", True)):
            with joblib.parallel_config(backend, n_jobs=2):
                told = joblib.Parallel()(joblib.delayed(exact)() for _ in range(2))
            assert told == [found, found]  # loky's are new: torch's own setting
    assert not exact()


def test_threads_of_a_fork_are_as_many_as_torch_had():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def in_a_new_thread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    try:
        with Held(single_threaded_torch()):
            assert fork(lambda: in_a_new_thread() == 2)
        assert in_a_new_thread() == 2
    finally:
        torch.set_num_threads(before)


def test_whoever_forks_in_a_fit_goes_on_collecting():
    def warn():
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warnings.warn("stopped", ConvergenceWarning, stacklevel=1)
        return seen

    with convergence_failures() as failures:

        def collected():
            warnings.warn("stopped", ConvergenceWarning, stacklevel=1)
            return failures == ["stopped"]

        assert fork(collected)
    assert len(warn()) == 1


@pytest.mark.parametrize("loaded", [True, False])
def test_a_fork_of_a_process_that_computed_on_several_threads_computes(loaded):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    fungi = FungiTransformer(
        "test_vit",
        objectives=("kl", "simclr"),
        n_components=None,
        weights=None,
        image_size=32,
        random_state=0,
        device="cpu",
    ).fit(images)
    expected = fungi.transform(images)
    if not loaded:
        fungi = pickle.loads(pickle.dumps(fungi))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.ones(1000, 1000).sum()
        assert fork(lambda: np.array_equal(fungi.transform(images), expected))
    finally:
        torch.set_num_threads(before)
