"""A frozen backbone in the form in which it runs."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from ._dense_features import DenseFeatures
from ._features import PooledFeatures
from ._preprocess import Preprocess


class Network:
    """A backbone, or a copy of it that is sooner done, from pixels to features.

    Parameters
    ----------
    module : torch.nn.Module
    dtype : torch.dtype
        Of its weights and of what it is given.
    autocast : bool
        Whether float32 weights are used in bfloat16.
    device : torch.device
    preprocess : Preprocess
    pooled : PooledFeatures or DenseFeatures
        What becomes of the module's output.
    channels_last : bool
        Whether it is given images with the channels last in memory.
    """

    def __init__(
        self,
        module: nn.Module,
        dtype: torch.dtype,
        *,
        autocast: bool,
        device: torch.device,
        preprocess: Preprocess,
        pooled: PooledFeatures | DenseFeatures,
        channels_last: bool,
    ) -> None:
        self.module, self.dtype = module, dtype
        self.device, self.pooled = device, pooled
        self._autocast = autocast
        self._preprocess, self._channels_last = preprocess, channels_last

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an evaluation image."""
        return self._preprocess.size

    @property
    def precision(self) -> torch.dtype:
        """The format of its products."""
        return torch.bfloat16 if self._autocast else self.dtype

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return uint8 (n, 3, H, W) as the module takes it, on its device."""
        x = self._preprocess.normalize(pixels.to(self.device), self.dtype)
        if self._channels_last:
            return x.contiguous(memory_format=torch.channels_last)
        return x.contiguous()

    def features(self, x: torch.Tensor, hook: Any = None) -> torch.Tensor:
        """Return pooled features (n, E), float32, of normalised pixels.

        Parameters
        ----------
        x : tensor of shape (n, 3, H, W)
        hook : object, optional
            What :meth:`hooked` gave; without one the layer is hooked for this call.
            The caller chooses whether gradients are recorded.
        """
        with self.autocast():
            if hook is None:
                return self.pooled(self.module, x).float()
            return self.pooled.of(self.module, x, hook).float()

    def hooked(self) -> AbstractContextManager[Any]:
        """Hook the layer whose output is pooled, if any, for many calls."""
        return self.pooled.hooked(self.module)

    def autocast(self) -> torch.autocast:
        """Return the context in which the module has the wanted precision."""
        on = self._autocast
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)
