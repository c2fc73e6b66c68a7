"""Spread the rows of one transform over joblib's processes."""

import os
import uuid

import numpy as np

# The last estimator this process worked for, with its backbone loaded.
_last = {}


def n_processes():
    """Return how many processes ``joblib.parallel_config`` offers, or 1.

    1 also inside one of those processes, and for backends of threads.
    """
    from joblib.parallel import get_active_backend

    backend, n_jobs = get_active_backend()
    if n_jobs == 1 or getattr(backend, "uses_threads", False):
        return 1
    return max(1, backend.effective_n_jobs(n_jobs))


def extract_in_processes(estimator, images, n_jobs, progress=None):
    """Let processes extract the rows, a part each; put the parts together.

    Parameters
    ----------
    estimator : ImageTransformer
        Has ``_extract(images, n_threads=..., progress=...)``.
    images : ImageSequence
    n_jobs : int
    progress : callable, optional

    Returns
    -------
    rows, failed
        As :func:`extract_rows` gives them.
    """
    from joblib import Parallel, cpu_count, delayed
    from joblib.parallel import get_active_backend

    n = len(images)
    # Several parts a process even out images of different sizes.
    n_parts = min(4 * n_jobs, -(-n // estimator.batch_size))
    bounds = np.linspace(0, n, n_parts + 1).round().astype(int)
    token = uuid.uuid4().hex
    n_threads = estimator.n_jobs or max(1, cpu_count() // n_jobs)
    tasks = (
        delayed(_extract_part)(
            token,
            estimator,
            _absolute_paths(estimator),
            images.part(int(low), int(high)),
            n_threads,
        )
        for low, high in zip(bounds[:-1], bounds[1:])
    )
    # A generator shows progress as it happens, where the backend can.
    stream = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator" if stream else "list")
    rows, failed = [], []
    for low, (part_rows, part_failed) in zip(bounds, parallel(tasks)):
        rows.append(part_rows)
        failed += [(row + int(low), message) for row, message in part_failed]
        if progress is not None:
            progress(len(part_rows))
    return np.concatenate(rows), failed


def _extract_part(token, estimator, paths, images, n_threads):
    if token not in _last:
        _last.clear()
        # Pickles of fitted estimators hold no paths of this machine.
        for name, path in paths.items():
            setattr(estimator, name, path)
        _last[token] = estimator
    return _last[token]._extract(images, n_threads=n_threads)


def _absolute_paths(estimator):
    paths = {"memory": estimator.memory, "weights": estimator.weights}
    return {
        name: os.path.abspath(os.path.expanduser(path))
        if path is not None and not (name == "weights" and path == "auto")
        else path
        for name, path in paths.items()
    }
