"""What of a module's forward pass becomes a row: its pooled output, or a layer's."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ._hooks import StopHook
from ._pooling import FeatureMap, has_class_token, pool, to_feature_map


class PooledFeatures:
    """The pooled features of a module or of a copy of it.

    Parameters
    ----------
    pooling : str
        One of :data:`POOLINGS`.
    layer : str or None
        Name of the part whose output is pooled; None pools the last feature map.
    """

    def __init__(self, pooling: str, layer: str | None) -> None:
        self.pooling, self.layer = pooling, layer

    def __call__(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Return features (n, E) of normalised pixels (n, 3, H, W)."""
        with self.hooked(module) as hook:
            return self.of(module, x, hook)

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[StopHook | None]:
        """Hook the layer for many calls of :meth:`of`; None without a layer."""
        if self.layer is None:
            yield None
            return
        hook = StopHook(self.layer, "output")
        with hook.on(module.get_submodule(self.layer)):
            yield hook

    def of(
        self, module: nn.Module, x: torch.Tensor, hook: StopHook | None
    ) -> torch.Tensor:
        """Return features (n, E) with the hook of :meth:`hooked`."""
        if hook is not None:
            return self._pool(to_feature_map(hook.run(module, x), module), module)
        if self.pooling == "auto":
            features = module(x)
            if isinstance(features, torch.Tensor) and features.ndim == 2:
                return features
        else:
            features = getattr(module, "forward_features", module)(x)
        return self._pool(to_feature_map(features, module), module)

    def _pool(self, feature_map: FeatureMap, module: nn.Module) -> torch.Tensor:
        pooling = self.pooling
        if pooling == "auto":
            pooling = "token" if has_class_token(module) else "avg"
        if pooling == "token" and feature_map.prefix.shape[1] == 0:
            raise ValueError(
                f"pooling='token': layer {self.layer!r} has no class token. Use 'avg'."
            )
        return pool(feature_map, pooling)
