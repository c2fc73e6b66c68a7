"""The work of an embedder, as the extraction loop runs it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._hooks import StopHook
from ._network import Network
from ._transfer import Download, Uploads, pinned

if TYPE_CHECKING:
    from ._extractor import Extractor


class EmbeddingJob:
    """Images -> embeddings: a :class:`~skknn.extraction._job.Job`.

    On a CPU each image goes through the network by itself, in one of several
    threads: its activations stay in the processor's cache, and its row cannot
    depend on its neighbours. On other devices prepared images are collected into
    batches.

    Parameters
    ----------
    extractor : Extractor
    batch_size : int

    Attributes
    ----------
    width, batch_size, computes_in_workers
        As the extraction loop needs them.
    """

    def __init__(self, extractor: "Extractor", batch_size: int) -> None:
        self._extractor = extractor
        self.batch_size = batch_size
        self.computes_in_workers = extractor.device.type == "cpu"
        self._uploads = Uploads(extractor.device)
        # Made at the first image: there may be none that is not in the cache.
        self._network: Network | None = None
        self._hook: StopHook | None = None
        self._choosing = threading.Lock()
        self._run: ExitStack | None = None

    @property
    def width(self) -> int:
        """Length of a row; runs a picture where none has been run yet."""
        return self._extractor.n_features

    @contextmanager
    def running(self) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`prepare`.
        """
        with ExitStack() as run:
            run.enter_context(exact_float32())
            # On an accelerator, too, the threads that prepare are many.
            start_thread = run.enter_context(single_threaded_torch())
            self._run = run
            try:
                yield start_thread
            finally:
                self._run = self._network = self._hook = None

    def prepare(
        self, item: Image.Image, missing: frozenset[str] | None = None
    ) -> torch.Tensor | NDArray[np.float32]:
        """Resize and crop an image; on a CPU also run the network.

        Parameters
        ----------
        item : PIL.Image.Image
            8-bit RGB.
        missing : ignored
            An embedding has one block.
        """
        pixels = self._extractor.prepare(item)
        if self.computes_in_workers:
            return self._forward([pixels]).numpy()[0]
        return pinned(pixels, self._extractor.device)

    def launch(self, prepared: list) -> Download | NDArray[np.float32]:
        """Start to compute the rows of prepared images."""
        if self.computes_in_workers:
            return np.stack(prepared)
        return Download(self._forward(prepared))

    def collect(self, launched: Download | NDArray) -> NDArray[np.float32]:
        """Wait for rows (n, width), float32."""
        return launched.wait() if isinstance(launched, Download) else launched

    def _forward(self, batch: list[torch.Tensor]) -> torch.Tensor:
        network = self._network or self._choose_network()
        with torch.inference_mode():
            x = network.normalize(self._uploads.stack(batch))
            rows = network.features(x, self._hook)
        self._extractor.check_rows(rows, len(batch))
        return rows

    def _choose_network(self) -> Network:
        if self._run is None:
            raise RuntimeError("Images are prepared within `with job.running():`.")
        with self._choosing:
            if self._network is None:
                network = self._extractor.network()
                self._hook = self._run.enter_context(network.hooked())
                self._network = network
            return self._network
