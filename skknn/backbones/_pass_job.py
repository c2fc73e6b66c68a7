"""The work of an embedder on items of different lengths, sorted into passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._frozen_extractor import FrozenExtractor
from ._passes import LaunchedPasses, PassRunner


class PassJob:
    """Base of the jobs on texts and sounds: a :class:`~skknn.extraction._job.Job`.

    Subclasses say how an item is prepared (:meth:`prepare`), which prepared ones go
    through the network together (:meth:`passes`) and as what tensor (:meth:`stacked`).

    Parameters
    ----------
    extractor : FrozenExtractor
    batch_size : int
        Items that are sorted together, and rows that a killed run can lose.

    Attributes
    ----------
    width, batch_size, computes_in_workers
        As the extraction loop needs them.
    """

    computes_in_workers = False

    def __init__(self, extractor: FrozenExtractor, batch_size: int) -> None:
        self._extractor, self.batch_size = extractor, batch_size
        self._network: Any = None
        self._hook: Any = None
        self._passes: PassRunner | None = None

    @property
    def width(self) -> int:
        """Length of a row; runs an item where none has been run yet."""
        return self._extractor.n_features

    @contextmanager
    def running(self, n_threads: int = 1) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        Parameters
        ----------
        n_threads : int
            That compute, on a CPU.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`prepare`.
        """
        network = self._extractor.network()
        with (
            exact_float32(),
            single_threaded_torch() as start_thread,
            network.hooked() as hook,
            PassRunner(self._extractor.device, n_threads, start_thread) as passes,
        ):
            self._network, self._hook, self._passes = network, hook, passes
            try:
                yield start_thread
            finally:
                self._network = self._hook = self._passes = None

    def prepare(self, item: Any, missing: frozenset[str] | None = None) -> Any:
        """Prepare an item; ``missing`` is ignored, there is one block."""
        raise NotImplementedError

    def passes(self, prepared: list[Any]) -> list[list[int]]:
        """Return which prepared items go through the network together."""
        raise NotImplementedError

    def stacked(self, prepared: list[Any]) -> torch.Tensor:
        """Return what the network takes of the items of a pass, before
        ``normalize``."""
        raise NotImplementedError

    def launch(self, prepared: list[Any]) -> LaunchedPasses:
        """Start to compute the rows of items."""
        if self._passes is None:
            raise RuntimeError("Items are embedded within `with job.running():`.")
        return self._passes.launch(
            len(prepared),
            self.passes(prepared),
            lambda chosen: self._forward([prepared[i] for i in chosen]),
        )

    def collect(self, launched: LaunchedPasses) -> NDArray[np.float32]:
        """Wait for rows (n, width), float32."""
        return launched.wait()

    def _forward(self, prepared: list[Any]) -> torch.Tensor:
        network = self._network
        with torch.inference_mode():
            rows = network.features(
                network.normalize(self.stacked(prepared)), self._hook
            )
        self._extractor.check_rows(rows, len(prepared))
        return rows
