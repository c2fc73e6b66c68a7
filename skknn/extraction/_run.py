"""The loop that turns items into rows, whatever computes them."""

from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from ..modalities import BadItemError, ItemSource
from ._bad_items import with_all_bad_items
from ._batches import Batches
from ._block_cache import BlockCache
from ._job import Job
from ._lookup import Lookup, Todo
from ._preparation import Preparation
from ._progress import Progress
from ._row_cache import RowCache
from ._rows import Rows, RowTable


def run_job(
    job: Job,
    items: ItemSource,
    *,
    cache: RowCache | BlockCache | None = None,
    n_threads: int = 1,
    on_bad_item: str = "raise",
    progress: Progress | None = None,
) -> Rows:
    """Compute the row of features of every item.

    Items are read, decoded and prepared in threads ahead of the computation. At any
    moment at most ``job.batch_size`` rows have been computed and not yet stored, on an
    accelerator twice as many.

    Parameters
    ----------
    job : Job
    items : ItemSource
    cache : RowCache or BlockCache, optional
        Looked up before decoding, written after every batch.
    n_threads : int
    on_bad_item : {"raise", "nan"}
    progress : Progress, optional

    Returns
    -------
    Rows

    Raises
    ------
    BadItemError
        With ``on_bad_item="raise"``: of the first item that cannot be used. Its message
        names the others, too.
    MemoryError
        If a single item does not fit on the device.
    """
    progress = Progress() if progress is None else progress
    n_threads = max(1, n_threads)
    group, ahead = _how_many(job, n_threads, stored=cache is not None)
    table = RowTable(items, on_bad_item, progress)
    batches = Batches(job, items.unit)
    try:
        with ExitStack() as stack:
            start_thread = stack.enter_context(job.running(n_threads))
            preparation = stack.enter_context(
                Preparation(job, items, n_threads, start_thread, ahead)
            )
            lookup = stack.enter_context(Lookup(items, cache, table, n_threads))

            def compute_group() -> None:
                todos, prepared = [], []
                for todo, result in preparation.take(group):
                    if isinstance(result, BadItemError):
                        table.fail(lookup.rows_of(todo), result)
                    else:
                        todos.append(todo)
                        prepared.append(result)
                for finished in batches.add(todos, prepared):
                    store(*finished)

            def store(todos: list[Todo], values: NDArray[np.float32]) -> None:
                progress.computed(len(todos))
                if cache is not None:
                    cache.put([todo.key for todo in todos if todo.key], values)
                for todo, value in zip(todos, values, strict=True):
                    table.deliver(lookup.rows_of(todo), value)

            for todo, content in lookup:
                while preparation.is_full():
                    compute_group()
                progress.began()
                preparation.submit(todo, content)
            while len(preparation):
                compute_group()
            for finished in batches.finish():
                store(*finished)
    except BadItemError as error:
        # Not within the run, whose threads may be busy.
        raise with_all_bad_items(error, items, n_threads) from error.__cause__
    return table.finish(lambda: job.width)


def _how_many(job: Job, n_threads: int, stored: bool) -> tuple[int, int]:
    """Return how many items are computed together, and how many are under way."""
    if not job.computes_in_workers:
        # A batch is computed, another launched, the next gets ready.
        return job.batch_size, 2 * job.batch_size + n_threads
    # Half a batch is stored while the threads compute the other half.
    group = max(1, job.batch_size // 2)
    return group, job.batch_size if stored else max(job.batch_size, 2 * n_threads)
