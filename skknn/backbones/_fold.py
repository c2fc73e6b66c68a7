"""Batch normalisation as part of the convolution before it."""

from timm.layers import Conv2dSame
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ._watch import replace, watch

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)


def fold_batch_norm(module, forward, x, keep=()):
    """Fold, in place, every batch normalisation fed by one convolution alone.

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
    pairs, _ = watch(module, forward, x, CONVOLUTIONS, (nn.BatchNorm2d,))
    for conv_name, norm_name in pairs:
        conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
        if conv_name in keep or not norm.track_running_stats:
            continue
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight,
            conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        # timm's normalisations carry the activation that follows them.
        replace(module, norm_name, getattr(norm, "act", nn.Identity()))
