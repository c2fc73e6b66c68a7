"""The loop that turns images into rows: batches, threads, cache, progress."""

import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np


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
):
    """Compute one row of features for each image.

    Images are read, decoded and prepared in threads ahead of the computation.

    Parameters
    ----------
    images : ImageSequence
    prepare : callable
        8-bit RGB PIL image -> what ``compute`` takes; called in threads.
    compute : callable
        List of prepared images -> ndarray (len(list), width), float32; called in
        the calling thread.
    width : int
    batch_size : int
        Largest number of images given to ``compute``.
    n_threads : int
    cache : RowCache, optional
        Looked up before decoding, written after every batch.
    with_keys : bool
        Whether ``compute`` also takes the list of cache keys (None each without
        cache), for caches that may hold a part of a row.
    on_error : {"raise", "nan"}
    progress : callable, optional
        Called with the number of rows that were finished.

    Returns
    -------
    rows : ndarray of shape (len(images), width), float32
    failed : list of (row, message)
        Rows of NaN; empty with ``on_error="raise"``.
    """
    # Loads PIL, so not before there is an image to read.
    from ..inputs import BadImageError

    n = len(images)
    out = np.empty((n, width), dtype=np.float32)
    failed = []
    waiting = {}  # key -> rows that will get it

    def read(row):
        source = images.fetch(row)
        return source, (_digest(images, row, source) if cache is not None else None)

    def work(row, source):
        image = images.image(row, source)
        return prepare(image)

    def finish(rows, n_rows):
        if progress is not None:
            progress(n_rows)

    def fail(row, error):
        if on_error == "raise":
            raise error
        out[row] = np.nan
        failed.append((row, str(error)))
        finish(row, 1)

    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        try:
            ready = deque()

            def flush():
                if not ready:
                    return
                batch = []
                while ready and len(batch) < batch_size:
                    batch.append(ready.popleft())
                prepared, kept = [], []
                for row, key, future in batch:
                    try:
                        prepared.append(future.result())
                        kept.append((row, key))
                    except BadImageError as error:
                        rows = waiting.pop(key, [row]) if key is not None else [row]
                        for bad in rows:
                            fail(bad, error)
                if not kept:
                    return
                keys = [key for _, key in kept]
                values = compute(prepared, keys) if with_keys else compute(prepared)
                if cache is not None:
                    cache.put(keys, values)
                for (row, key), value in zip(kept, values, strict=True):
                    rows = waiting.pop(key) if key is not None else [row]
                    out[rows] = value
                    finish(rows, len(rows))

            for start in range(0, n, batch_size):
                rows = range(start, min(start + batch_size, n))
                reads = [pool.submit(read, row) for row in rows]
                sources, keys = {}, {}
                for row, future in zip(rows, reads):
                    try:
                        sources[row], keys[row] = future.result()
                    except BadImageError as error:
                        fail(row, error)
                found = {}
                if cache is not None:
                    found = cache.get(
                        [key for key in keys.values() if key not in waiting]
                    )
                for row, source in sources.items():
                    key = keys[row]
                    if key in found:
                        out[row] = found[key]
                        finish(row, 1)
                    elif key is not None and key in waiting:
                        waiting[key].append(row)
                    else:
                        if key is not None:
                            waiting[key] = [row]
                        ready.append((row, key, pool.submit(work, row, source)))
                while len(ready) >= 2 * batch_size:
                    flush()
            while ready:
                flush()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if failed:
        failed.sort()
        shown = "\n".join(message for _, message in failed[:20])
        more = f"\n... and {len(failed) - 20} more" if len(failed) > 20 else ""
        warnings.warn(
            f"{len(failed)} of {n} images could not be read; their rows are NaN:\n"
            f"{shown}{more}",
            UserWarning,
            stacklevel=3,
        )
    return out, failed


def _digest(images, row, source):
    try:
        return source.digest()
    except Exception as error:
        raise images.bad(row, error) from error
