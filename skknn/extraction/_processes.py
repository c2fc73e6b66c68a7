"""Spread the rows of one run over joblib's processes, and threads within them."""

import uuid
from collections.abc import Callable

import numpy as np

from ..modalities import ItemSource
from ._progress import Progress
from ._rows import Rows, join_rows

# What this process last worked with, its backbone loaded, by the run's token.
_last: dict[str, Callable[[ItemSource, int], Rows]] = {}


def n_processes() -> int:
    """Return how many processes ``joblib.parallel_config`` offers, or 1.

    1 also inside one of those processes, and for backends of threads.
    """
    from joblib.parallel import get_active_backend

    backend, n_jobs = get_active_backend()
    if n_jobs == 1 or getattr(backend, "uses_threads", False):
        return 1
    return max(1, backend.effective_n_jobs(n_jobs))


def n_workers(n_jobs: int | None) -> int:
    """Return how many threads prepare items in this process.

    Parameters
    ----------
    n_jobs : int or None
        None is what joblib's threads offer, else as many as torch uses, which is also
        what loky and ``OMP_NUM_THREADS`` leave to this process.
    """
    import joblib
    import torch

    n_threads = joblib.effective_n_jobs(n_jobs)
    if n_jobs is not None or n_threads > 1:
        return n_threads
    return torch.get_num_threads()


def spread_rows(
    work: Callable[[ItemSource, int], Rows],
    items: ItemSource,
    *,
    part_size: int,
    n_jobs: int | None,
    progress: Progress,
) -> Rows:
    """Let processes compute the rows, a part each; put the parts together.

    Parameters
    ----------
    work : callable
        (items, number of threads) -> Rows. Pickled once a part, and kept by every
        process until the run is over, so that what it loads is loaded once.
    items : ItemSource
    part_size : int
        Parts are at least that large.
    n_jobs : int or None
        Threads in each process; None or -1 shares the processor's cores.
    progress : Progress

    Returns
    -------
    Rows
    """
    from joblib import Parallel, cpu_count, delayed
    from joblib.parallel import get_active_backend

    n, n_jobs_outside = len(items), n_processes()
    # Several parts a process even out items of different sizes.
    n_parts = min(4 * n_jobs_outside, -(-n // part_size))
    bounds = np.linspace(0, n, n_parts + 1).round().astype(int).tolist()
    token = uuid.uuid4().hex
    shared = n_jobs is None or n_jobs < 0
    n_threads = max(1, cpu_count() // n_jobs_outside) if shared else n_jobs
    tasks = (
        delayed(_work_on_part)(token, work, items.part(low, high), n_threads)
        for low, high in zip(bounds[:-1], bounds[1:])
    )
    # A generator shows progress as it happens, where the backend can.
    stream = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(
        n_jobs=n_jobs_outside, return_as="generator" if stream else "list"
    )
    parts: list[Rows] = []
    for part in parallel(tasks):
        parts.append(part)
        progress.delivered(len(part.values))
    return join_rows(parts)


def _work_on_part(
    token: str,
    work: Callable[[ItemSource, int], Rows],
    items: ItemSource,
    n_threads: int,
) -> Rows:
    if token not in _last:
        _last.clear()
        _last[token] = work
    return _last[token](items, n_threads)
