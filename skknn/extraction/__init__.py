"""The loop from items to rows of features.

``run_job`` (``_run``) asks the row cache which rows are there (``_lookup``;
``_row_cache``, for rows of several blocks ``_block_cache``), lets threads decode and
prepare the others (``_preparation``), hands them to the job in batches (``_batches``)
and puts what it gives into the cache and the table of rows (``_rows``). What is
computed is none of its business: that is the :class:`Job` (``_job``). ``spread_rows``
(``_processes``) lets the processes of joblib run a part of the rows each.
``_progress`` shows how far it is; where it ends at an item that cannot be used,
``_bad_items`` finds all such items.
"""

from ._bad_items import with_all_bad_items
from ._block_cache import BlockCache
from ._job import Job
from ._processes import n_processes, n_workers, spread_rows
from ._progress import Estimate, Progress, show_progress
from ._row_cache import RowCache
from ._rows import Rows
from ._run import run_job

__all__ = [
    "BlockCache",
    "Estimate",
    "Job",
    "Progress",
    "RowCache",
    "Rows",
    "n_processes",
    "n_workers",
    "run_job",
    "show_progress",
    "spread_rows",
    "with_all_bad_items",
]
