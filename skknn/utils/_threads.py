"""Work over threads, each with single-threaded matrix products."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from joblib import effective_n_jobs

from ._blas import blas_threads, single_threaded_blas
from ._locks import ForkSafeLock
from ._shared_setting import SharedSetting

Part = TypeVar("Part")
Result = TypeVar("Result")


def n_threads(n_jobs: int | None) -> int:
    """Threads to use: ``n_jobs`` where given, else as many as BLAS may use.

    The BLAS limit is what ``threadpool_limits``, joblib's worker processes and
    ``OPENBLAS_NUM_THREADS`` set.
    """
    n_threads = effective_n_jobs(n_jobs)
    if n_jobs is None and n_threads == 1:
        n_threads = blas_threads()
    return n_threads


def run_blocks(
    function: Callable[[Part], object],
    blocks: Sequence[Part],
    n_jobs: int | None,
    *,
    torch: Any = None,
) -> None:
    """Call ``function`` with each block, in threads when there are several.

    Parameters
    ----------
    function : callable
        Writes its result itself; blocks must not overlap.
    blocks : list
    n_jobs : int or None
        None gives a single block all the threads of the matrix library.
    torch : module, optional
        The torch module, if ``function`` computes with it.
    """
    if len(blocks) == 1 and n_jobs is None:
        function(blocks[0])
        return
    with single_threaded_blas(), single_threaded_torch(torch is not None):
        in_threads(function, blocks, n_threads(n_jobs), torch=torch)


def in_threads(
    function: Callable[[Part], Result],
    parts: Sequence[Part],
    n_threads: int,
    *,
    torch: Any = None,
) -> list[Result]:
    """What ``function`` returns for each part, in order.

    Unlike :func:`run_blocks` this does not limit the threads of matrix products.

    Parameters
    ----------
    function : callable
    parts : list
    n_threads : int
    torch : module, optional
        As in :func:`run_blocks`, which must have been given it too.

    Returns
    -------
    list
    """
    n_threads = min(n_threads, len(parts))
    if n_threads == 1:
        return [function(part) for part in parts]
    limit = None if torch is None else _compute_alone
    with ThreadPoolExecutor(n_threads, initializer=limit) as pool:
        return list(pool.map(function, parts))


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _set_torch_threads(number: int) -> None:
    import torch

    # A thread takes over the number that was set last, by any thread, when it first
    # computes or asks: after that, what is set here stays.
    torch.get_num_threads()
    torch.set_num_threads(number)


_TORCH = SharedSetting(_torch_threads, _set_torch_threads)
_THREAD = threading.local()


def _compute_alone() -> None:
    """Let torch compute on one thread in this one, a new one of ours."""
    _set_torch_threads(1)
    _THREAD.alone = True


@contextmanager
def single_threaded_torch(active: bool = True) -> Iterator[Callable[[], None]]:
    """Let torch compute on one thread, here and in other threads of ours.

    Several images side by side, each on one core, need no waiting for each other inside
    a layer; hundreds of small operations wait for each other when they are spread over
    threads. torch keeps its number of threads by thread, but hands the last value set
    to threads that are new, so the value found is set back at the end: by those who
    changed it, not by work in a thread that computes alone anyway.

    Parameters
    ----------
    active : bool
        False changes nothing.

    Yields
    ------
    callable
        To be called once in every thread that is to compute alone.
    """
    if not active:
        yield lambda: None
        return
    if getattr(_THREAD, "alone", False):
        yield _compute_alone
        return
    with _TORCH.held() as before:
        _compute_alone()
        try:
            yield _compute_alone
        finally:
            _THREAD.alone = False
            _set_torch_threads(before)


_FAISS = ForkSafeLock()


@contextmanager
def faiss_settings(faiss: Any, threads: int, products: bool = True) -> Iterator[None]:
    """Threads and matrix products of faiss for one search, restored after it.

    faiss leaves its matrix product for a loop when there are few queries, which is
    several times slower from about eight queries on. Its threshold and its number of
    threads are settings of the process, so searches of several threads take turns.

    Parameters
    ----------
    faiss : module
    threads : int
    products : bool
        Whether few queries are multiplied, too.
    """
    with _FAISS.held:
        before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
        faiss.omp_set_num_threads(threads)
        if products:
            faiss.cvar.distance_compute_blas_threshold = 1
        try:
            yield
        finally:
            faiss.omp_set_num_threads(before[0])
            faiss.cvar.distance_compute_blas_threshold = before[1]
