"""The loop that turns images into rows: threads, batches, cache, memory limits."""

import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

# Images a reading thread takes at a time, before the cache is asked for them.
_READ = 16
_ATTEMPTS = 3


def extract_rows(
    images,
    prepare,
    compute,
    width,
    *,
    batch_size,
    n_threads,
    cache=None,
    with_keys=False,
    on_error="raise",
    progress=None,
    heavy_prepare=False,
    start_thread=None,
):
    """Compute one row of features for each image.

    Images are read, decoded and prepared in threads ahead of the computation. At
    any moment at most ``batch_size`` rows have been computed and not yet stored.

    Parameters
    ----------
    images : ImageSequence
    prepare : callable
        8-bit RGB PIL image -> what ``compute`` takes; called in threads.
    compute : callable
        List of prepared images -> ndarray (len(list), width), float32; called in
        the calling thread. When memory runs out it is called again with half.
    width : int or callable
        Length of a row, or a function that gives it; used only if no image could
        be read.
    batch_size : int
        Largest number of images given to ``compute``.
    n_threads : int
    cache : RowCache, optional
        Looked up before decoding, written after every batch.
    with_keys : bool
        Whether ``prepare`` also takes the image's cache key (None without cache),
        for caches that may hold a part of a row.
    on_error : {"raise", "nan"}
    progress : callable, optional
        Called with the number of rows that were finished.
    heavy_prepare : bool
        Whether ``prepare`` is where the computing is done.
    start_thread : callable, optional
        Called once in every thread that calls ``prepare``.

    Returns
    -------
    rows : ndarray of shape (len(images), width), float32
    failed : list of (row, message)
        Rows of NaN; empty with ``on_error="raise"``.

    Raises
    ------
    BadImageError
        For the first image that cannot be read, with ``on_error="raise"``.
    MemoryError
        If a single image does not fit.
    """
    loop = _Loop(images, prepare, compute, batch_size, n_threads, heavy_prepare)
    loop.cache, loop.with_keys = cache, with_keys
    loop.on_error, loop.progress = on_error, progress
    loop.run(start_thread)
    if loop.out is None:
        loop.allocate(width() if callable(width) else width)
    return loop.out, sorted(loop.failed)


class _Loop:
    def __init__(self, images, prepare, compute, batch_size, n_threads, heavy):
        self.images, self.prepare, self.compute = images, prepare, compute
        self.n_threads = max(1, n_threads)
        self.limit = batch_size
        # Of prepared images a batch is computed while others get ready. Where the
        # threads compute, half a batch is stored while they do the other half.
        self.group = max(1, batch_size // 2) if heavy else batch_size
        self.window = batch_size if heavy else 2 * batch_size + self.n_threads
        self.heavy = heavy
        self.out, self.failed = None, []
        self.waiting = {}  # key -> rows that will get it
        self.pending = deque()  # (row, key, source, future)

    def run(self, start_thread):
        if self.heavy and self.cache is None:
            self.window = max(self.window, 2 * self.n_threads)
        self.readers = ThreadPoolExecutor(self.n_threads, "skknn-read")
        self.workers = ThreadPoolExecutor(self.n_threads, "skknn-work", start_thread)
        try:
            for row, key, source in self._to_compute():
                while len(self.pending) >= self.window:
                    self._collect()
                future = self.workers.submit(self._work, row, key, source)
                self.pending.append((row, key, source, future))
            while self.pending:
                self._collect()
        finally:
            self.readers.shutdown(wait=True, cancel_futures=True)
            self.workers.shutdown(wait=True, cancel_futures=True)

    def allocate(self, width):
        self.out = np.empty((len(self.images), width), dtype=np.float32)
        self.out[[row for row, _ in self.failed]] = np.nan

    def _to_compute(self):
        """Yield (row, key, source) of rows that are not in the cache."""
        n = len(self.images)
        if self.cache is None:
            yield from ((row, None, None) for row in range(n))
            return
        parts = deque()
        starts = iter(range(0, n, _READ))
        while True:
            while len(parts) <= 2 * self.n_threads:
                start = next(starts, None)
                if start is None:
                    break
                rows = range(start, min(start + _READ, n))
                parts.append(self.readers.submit(self._read, rows))
            if not parts:
                return
            yield from self._not_cached(parts.popleft().result())

    def _read(self, rows):
        """Read images and digest them; called in threads."""
        done = []
        for row in rows:
            try:
                source = self.images.fetch(row)
                done.append((row, source.digest(), source))
            except Exception as error:
                done.append((row, None, self.images.bad(row, error)))
        return done

    def _not_cached(self, part):
        keys = [key for _, key, _ in part if key is not None]
        found = self.cache.get([key for key in keys if key not in self.waiting])
        begun = set(self.waiting)
        for row, key, source in part:
            if key is None:
                self._fail([row], source)
            elif key in found:
                self._deliver([row], found[key])
            elif key in self.waiting:
                self.waiting[key].append(row)
            elif key in begun and (again := self.cache.get([key])):
                # Finished since the cache was asked.
                self._deliver([row], again[key])
            else:
                begun.add(key)
                self.waiting[key] = [row]
                yield row, key, source

    def _work(self, row, key, source):
        image = self.images.image(row, source)
        return self.prepare(image, key) if self.with_keys else self.prepare(image)

    def _collect(self):
        """Finish the oldest images under way: compute, store and deliver them."""
        from ..modalities import BadImageError

        group = [
            self.pending.popleft() for _ in range(min(self.group, len(self.pending)))
        ]
        prepared, kept = [], []
        for row, key, source, future in group:
            try:
                prepared.append(self._result(row, key, source, future))
                kept.append((row, key))
            except BadImageError as error:
                self._fail(self._rows_of(row, key), error)
        if not kept:
            return
        keys = [key for _, key in kept]
        values = self._compute(prepared)
        if self.cache is not None:
            self.cache.put(keys, values)
        for (row, key), value in zip(kept, values, strict=True):
            self._deliver(self._rows_of(row, key), value)

    def _result(self, row, key, source, future):
        from ..utils._out_of_memory import is_out_of_memory, release_memory

        for attempt in range(_ATTEMPTS + 1):
            try:
                return future.result()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if attempt == _ATTEMPTS:
                    raise _does_not_fit(f"row {row}") from error
            # Perhaps it fits when nothing else is running.
            wait([future for *_, future in self.pending])
            release_memory()
            future = self.workers.submit(self._work, row, key, source)

    def _compute(self, prepared):
        from ..utils._out_of_memory import is_out_of_memory, release_memory

        parts, start = [], 0
        while start < len(prepared):
            part = prepared[start : start + self.limit]
            try:
                parts.append(self.compute(part))
                start += len(part)
                continue
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise _does_not_fit("a single image") from error
            self.limit = max(1, len(part) // 2)
            release_memory()
            warnings.warn(
                f"The device ran out of memory with {len(part)} images at a time; "
                f"going on with {self.limit}. Set batch_size={self.limit} to spare the "
                "attempt.",
                UserWarning,
                stacklevel=2,
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _rows_of(self, row, key):
        return [row] if key is None else self.waiting.pop(key)

    def _deliver(self, rows, value):
        if self.out is None:
            self.allocate(len(value))
        self.out[rows] = value
        if self.progress is not None:
            self.progress(len(rows))

    def _fail(self, rows, error):
        if self.on_error == "raise":
            raise error
        if self.out is not None:
            self.out[rows] = np.nan
        for row in rows:
            # The same content may be in several rows, under several names.
            of_row = self.images.bad(row, error.__cause__ or error)
            self.failed.append((row, of_row.reason))
        if self.progress is not None:
            self.progress(len(rows))


def _does_not_fit(what):
    return MemoryError(
        f"The device ran out of memory with {what}. Use a smaller image_size, "
        "precision='bf16', another backbone or device='cpu'."
    )
