"""Batch normalisation as part of the convolution before it."""

from collections.abc import Callable, Collection
from typing import Any

import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ._connections import connections, replace

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)


def fuse_batch_norm(
    module: nn.Module,
    forward: Callable[[nn.Module, torch.Tensor], Any],
    x: torch.Tensor,
    keep: Collection[str] = (),
) -> None:
    """Fuse, in place, every batch normalisation fed by one convolution alone.

    In evaluation mode both are linear, so one convolution does the work of two
    layers. The caller checks that the output stays the same.

    Parameters
    ----------
    module : torch.nn.Module
    forward : callable
        (module, x) -> anything.
    x : tensor
    keep : collection of str
        Convolutions that must stay as they are.
    """
    pairs, _ = connections(module, forward, x, CONVOLUTIONS, (nn.BatchNorm2d,))
    for conv_name, norm_name in pairs:
        conv: Any = module.get_submodule(conv_name)
        norm: Any = module.get_submodule(norm_name)
        if conv_name in keep or not norm.track_running_stats:
            continue
        replace(module, conv_name, fuse_conv_bn_eval(conv, norm))
        # timm's normalisations carry the activation that follows them.
        replace(module, norm_name, getattr(norm, "act", nn.Identity()))
