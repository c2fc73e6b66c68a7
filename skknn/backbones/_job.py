"""The work of an embedder, as the extraction loop runs it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..modalities import RGBImage
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._device_images import DeviceImages, as_host_tensor, in_order
from ._device_memory import views_at_once
from ._extractor import Extractor
from ._network import Network
from ._transfer import Download, Uploads, pinned

# Rows that a killed run on a CPU can lose, and images a launch on Apple's devices.
_BATCH = 32


@dataclass(frozen=True)
class WaitingImage:
    """An image on its way to the device.

    Attributes
    ----------
    pixels : uint8 tensor
        (3, height, width) as the model sees it; the whole image (H, W, 3 or 4) where
        the device resizes and crops it.
    whole : bool
    """

    pixels: torch.Tensor
    whole: bool


class EmbeddingJob:
    """Images -> embeddings: a :class:`~skknn.extraction._job.Job`.

    On a CPU each image goes through the network by itself, in one of several
    threads: its activations stay in the processor's cache, and its row cannot
    depend on its neighbours. On other devices decoded images are collected into
    batches; CUDA devices also resize and crop them, which costs a thread as much as
    decoding.

    Parameters
    ----------
    extractor : Extractor
    batch_size : int or "auto"
        Images in one forward pass on an accelerator; "auto" goes by the free memory of
        a CUDA device.

    Attributes
    ----------
    width, batch_size, computes_in_workers
        As the extraction loop needs them.
    """

    def __init__(self, extractor: Extractor, batch_size: int | str = "auto") -> None:
        if isinstance(batch_size, str):
            size = extractor.data_config["input_size"][1:]
            cuda = extractor.device.type == "cuda"
            batch_size = views_at_once(extractor.device, size) if cuda else _BATCH
        self._extractor = extractor
        self.batch_size = batch_size
        self.computes_in_workers = extractor.device.type == "cpu"
        self._uploads = Uploads(extractor.device)
        # Made at the first image: there may be none that is not in the cache.
        self._network: Network | None = None
        self._hook: Any = None
        self._choosing = threading.Lock()
        self._run: ExitStack | None = None

    @property
    def width(self) -> int:
        """Length of a row; runs a picture where none has been run yet."""
        return self._extractor.n_features

    @contextmanager
    def running(self, n_threads: int = 1) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        Parameters
        ----------
        n_threads : ignored
            Images are computed in the threads that prepare them.

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
        self, item: RGBImage, missing: frozenset[str] | None = None
    ) -> WaitingImage | NDArray[np.float32]:
        """Get an image ready; on a CPU also run the network.

        Parameters
        ----------
        item : RGBImage
        missing : ignored
            An embedding has one block.
        """
        extractor = self._extractor
        if self.computes_in_workers:
            pixels = extractor.prepare(item.pil())
            return self._forward(pixels[None]).numpy()[0]
        # Apple's devices have no float64, which resizing needs.
        if extractor.device.type != "mps" and extractor.prepares_on_device(item.size):
            pixels = as_host_tensor(item.pixels(), extractor.device)
            return WaitingImage(pixels, whole=True)
        pixels = extractor.prepare(item.pil())
        return WaitingImage(pinned(pixels, extractor.device), whole=False)

    def launch(self, prepared: list) -> Download | NDArray[np.float32]:
        """Start to compute the rows of prepared images."""
        if self.computes_in_workers:
            return np.stack(prepared)
        return self.launch_loaded(self.load(prepared))

    def load(self, images: list[WaitingImage]) -> torch.Tensor:
        """Bring images to the device, as the model sees them: (n, 3, H, W)."""
        whole = {i: image.pixels for i, image in enumerate(images) if image.whole}
        ready = [i for i, image in enumerate(images) if not image.whole]
        parts = []
        if ready:
            stack = self._uploads.stack([images[i].pixels for i in ready])
            parts.append((ready, stack))
        for part in DeviceImages(whole, self._uploads).cut(
            whole, lambda pixels: [self._extractor.prepare_on_device(pixels)]
        ):
            parts += part
        return in_order(parts)

    def launch_loaded(self, pixels: torch.Tensor) -> Download:
        """Start to compute the rows of images that are on the device."""
        return Download(self._forward(pixels))

    def collect(self, launched: Download | NDArray) -> NDArray[np.float32]:
        """Wait for rows (n, width), float32."""
        return launched.wait() if isinstance(launched, Download) else launched

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        network = self._network or self._choose_network()
        with torch.inference_mode():
            rows = network.features(network.normalize(pixels), self._hook)
        self._extractor.check_rows(rows, len(pixels))
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
