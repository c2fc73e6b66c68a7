"""A frozen module with all it needs to turn images into maps of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ._dense_features import DenseFeatures
from ._dense_layers import coarsest_stride, resolve_layers
from ._dense_preprocess import DensePreprocess
from ._extractor import Extractor
from ._job import EmbeddingJob, WaitingImage
from ._transfer import Download

# Pixels of a batch on an accelerator when nobody says otherwise: 16 of 512 x 512.
_BATCH_PIXELS = 2**22


@dataclass(frozen=True)
class DenseSettings:
    """Which maps are wanted; as the parameters of :class:`skknn.DenseEmbedder`.

    Attributes
    ----------
    layer : "auto", str, int, None or tuple of str, int and None
    stride : int or None
    image_size : int, (height, width) or None
    tokens : bool
        Whether forward passes give the vectors of the last feature map besides.
    """

    layer: Any
    stride: int | None
    image_size: Any
    tokens: bool = False


class DenseExtractor(Extractor):
    """An extractor whose rows are whole maps, each followed by its grid.

    Parameters
    ----------
    module, config, from_timm, device, precision
        As for :class:`Extractor`.
    settings : DenseSettings

    Attributes
    ----------
    layers : tuple of str or None
        Full names of the layers; None is the last feature map.
    """

    def __init__(
        self,
        module: nn.Module,
        config: dict[str, Any],
        settings: DenseSettings,
        **more: Any,
    ) -> None:
        layers, stride = resolve_layers(module, settings.layer, settings.stride)
        multiple = coarsest_stride(module)
        super().__init__(module, config, pooling="auto", layer=None, **more)
        self.layers = layers
        self._settings, self._as_built = settings, (dict(config), more)
        dense = DensePreprocess(config, settings.image_size, multiple)
        self._preprocess = dense
        self._dense = DenseFeatures(layers, stride, settings.tokens)
        self._pooled = self._dense
        # Questions are asked in pictures of this size.
        self.data_config["input_size"] = (3, *dense.size)

    @property
    def n_channels(self) -> int:
        """Length of the vector of a position; runs a picture if none has been run."""
        if self._dense.n_channels is None:
            self.fingerprint()
        assert self._dense.n_channels is not None
        return self._dense.n_channels

    @property
    def token_width(self) -> int:
        """Length of a vector of the last feature map, where ``tokens`` is set."""
        if self._dense.token_width is None:
            self.fingerprint()
        assert self._dense.token_width is not None
        return self._dense.token_width

    def of_last_map(self) -> "DenseExtractor":
        """Return one of the same module and images that gives the last feature map."""
        settings = DenseSettings(None, None, self._settings.image_size)
        config, more = self._as_built
        return DenseExtractor(self.module, config, settings, **more)

    def identity(self) -> dict[str, Any]:
        """Return what a map depends on besides the image, as plain JSON."""
        dense = {
            "layers": list(self.layers),
            "stride": self._dense.stride,
            "image size": str(self._settings.image_size),
            "version": 1,
        }
        return super().identity() | {"dense": dense}


class DenseJob(EmbeddingJob):
    """Images -> maps: an :class:`EmbeddingJob` whose images differ in size."""

    def __init__(
        self, extractor: DenseExtractor, batch_size: int | str = "auto"
    ) -> None:
        if isinstance(batch_size, str):
            pixels = int(np.prod(extractor.data_config["input_size"][1:]))
            batch_size = max(1, _BATCH_PIXELS // pixels)
        super().__init__(extractor, batch_size)

    def launch(self, prepared: list) -> Any:
        """Start to compute the rows of prepared images, those of one size together."""
        if self.computes_in_workers:
            return prepared
        return [(group, self._launch(prepared, group)) for group in _by_size(prepared)]

    def collect(self, launched: Any) -> Any:
        """Wait for the rows: a list, because their lengths may differ."""
        if self.computes_in_workers:
            return launched
        found: dict[int, NDArray[np.float32]] = {}
        for group, download in launched:
            found.update(zip(group, download.wait(), strict=True))
        return [found[i] for i in range(len(found))]

    def _launch(self, prepared: list[WaitingImage], group: list[int]) -> Download:
        return self.launch_loaded(self.load([prepared[i] for i in group]))


def _by_size(images: list[WaitingImage]) -> Iterator[list[int]]:
    groups: dict[torch.Size, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(image.pixels.shape, []).append(i)
    yield from groups.values()
