"""What the extraction loop runs: the work on items, cut where threads and batches meet.

A job knows nothing of caches, processes or errors of single items; the loop knows
nothing of networks. Whatever gives rows (embeddings, gradient blocks, latents of
negatives) is a job, and there is one loop for all of them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Job(Protocol):
    """Rows of features for decoded items.

    Attributes
    ----------
    width : int
        Length of a row.
    batch_size : int
        Items handed to :meth:`launch` at a time; the loop halves it when the device
        runs out of memory.
    computes_in_workers : bool
        Whether :meth:`prepare` is where the computing is done (on a CPU), so that
        :meth:`launch` costs next to nothing.
    """

    @property
    def width(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def computes_in_workers(self) -> bool: ...

    def running(self, n_threads: int = 1) -> AbstractContextManager[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        ``n_threads`` is how many may compute at a time, where :meth:`launch` does it on
        a CPU. Yields a function to be called once in every thread that will call
        :meth:`prepare`.
        """
        ...

    def prepare(self, item: Any, missing: frozenset[str] | None) -> Any:
        """Prepare one decoded item; called in worker threads.

        Parameters
        ----------
        item : object
            As the source of items decodes it, for images an ``RGBImage``.
        missing : frozenset of str or None
            Blocks of the row that are wanted; None means all.
        """
        ...

    def launch(self, prepared: list[Any]) -> Any:
        """Start to compute the rows of prepared items; may return before it is done."""
        ...

    def collect(self, launched: Any) -> NDArray[np.float32]:
        """Wait for what :meth:`launch` started; rows (n, width).

        A list of n rows where their lengths may differ.
        """
        ...
