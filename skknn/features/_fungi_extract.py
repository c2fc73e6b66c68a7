"""Rows of a fitted FungiTransformer, from the cache where they are there."""

import time
from contextlib import ExitStack

from ..extraction._loop import extract_rows
from . import _fungi_state as state


def extract(fungi, images, n_threads, progress):
    """Rows before PCA and failures.

    Parameters
    ----------
    fungi : FungiTransformer
        Fitted.
    images : ImageSequence
    n_threads : int
    progress : callable or None
        Called with the number of rows that were finished. With one, what the rest will
        take is printed, too.

    Returns
    -------
    rows : ndarray of shape (len(images), width), float32
    failed : list of (row, message)
    """
    machine = state.machine(fungi)
    estimate = Estimate(len(images), fungi.batch_size)
    with ExitStack() as stack:
        cache = state.open_cache(fungi, machine)
        if cache is not None:
            stack.enter_context(cache)

        def work(image, key):
            estimate.begin()
            missing = None if cache is None else cache.missing(key)
            return machine.work(image, missing)

        def combine(results):
            rows = machine.combine(results)
            if progress is not None:
                estimate.computed(len(results))
            return rows

        def deliver(count):
            estimate.delivered(count)
            progress(count)

        return extract_rows(
            images,
            work,
            combine,
            machine.width,
            batch_size=machine.batch_size,
            n_threads=n_threads,
            cache=cache,
            with_keys=True,
            on_error=fungi.on_error,
            progress=None if progress is None else deliver,
            heavy_prepare=machine.heavy_work,
            start_thread=stack.enter_context(machine.running()),
        )


class Estimate:
    """Print what the images left will take, once a batch is computed.

    Images that come from the cache take no time and do not count.
    """

    def __init__(self, n, batch_size):
        self._left, self._batch_size = n, batch_size
        self._start, self._computed, self._done = None, 0, False

    def begin(self):
        """Work on an image begins."""
        if self._start is None:
            self._start = time.perf_counter()

    def computed(self, count):
        """So many images, not yet delivered, have been computed."""
        self._computed += count
        if self._done or self._computed < self._batch_size:
            return
        self._done = True
        each = (time.perf_counter() - self._start) / self._computed
        left = self._left - count
        if left > 0:
            print(
                f"[FungiTransformer] {each:.2g} s an image, at most "
                f"{_duration(each * left)} for the {left} left"
            )

    def delivered(self, count):
        """So many rows are there, computed or from the cache."""
        self._left -= count


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
