"""Which layer's gradient is taken."""

import torch
from torch import nn

# Their weights act on one pooled vector or duplicate a shortcut.
_SIDE_BRANCHES = {"se", "downsample", "shortcut", "gate", "conv_shortcut"}


def is_candidate(module):
    """Tell whether the weight gradient is a sum of outer products, as we need it."""
    if isinstance(module, nn.Linear):
        return True
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == 1
        and module.padding_mode == "zeros"
        # Layers that normalise their weight first have another gradient.
        and not _reparametrised(module)
    )


def candidates(module):
    """Return the names of all layers that may be chosen, in the module's order."""
    return [name for name, layer in module.named_modules() if is_candidate(layer)]


def choose_layer(module, layer="auto"):
    """Return the name of the layer to differentiate.

    "auto" is the last attention output projection (F Fig. 8); without attention,
    the last 1x1 convolution or linear layer of the main path.

    Parameters
    ----------
    module : torch.nn.Module
    layer : str
        "auto" or a name in ``module.named_modules()``.

    Raises
    ------
    ValueError
        If there is no such layer, or it is neither Linear nor Conv2d(groups=1).
    """
    names = candidates(module)
    if layer == "auto":
        chosen = _auto(module, names)
        if chosen is None:
            raise ValueError(
                "layer='auto' found neither an attention output projection nor a 1x1 "
                f"convolution or linear layer in {type(module).__name__}. "
                f"{_list(names)}"
            )
        return chosen
    found = dict(module.named_modules())
    if layer not in found:
        raise ValueError(
            f"layer={layer!r} is no layer of {type(module).__name__}. {_list(names)}"
        )
    if layer not in names:
        raise ValueError(
            f"layer={layer!r} is a {type(found[layer]).__name__}; allowed are Linear "
            f"and Conv2d with groups=1 and an unnormalised weight. {_list(names)}"
        )
    return layer


def gradient_size(layer):
    """Return (rows, columns) of a layer's gradient, the bias as last column."""
    rows = layer.weight.shape[0]
    columns = layer.weight[0].numel() + (layer.bias is not None)
    return rows, columns


def input_rows(layer, a):
    """Return a layer's input as the columns its weight multiplies: (n, in, L).

    Parameters
    ----------
    layer : Linear or Conv2d
    a : tensor (n, ..., in) or (n, in, H, W)
    """
    if isinstance(layer, nn.Linear):
        return a.reshape(len(a), -1, a.shape[-1]).mT
    if layer.kernel_size == (1, 1) and layer.padding in ((0, 0), "valid", "same"):
        down, right = layer.stride
        return a[:, :, ::down, ::right].flatten(2)
    padding = layer.padding
    if isinstance(padding, str) or _pads_itself(layer):
        a, padding = _pad_same(layer, a), 0
    return nn.functional.unfold(
        a, layer.kernel_size, layer.dilation, padding, layer.stride
    )


def output_rows(layer, b):
    """Return the gradient at a layer's output as (n, L, out)."""
    if isinstance(layer, nn.Linear):
        return b.reshape(len(b), -1, b.shape[-1])
    return b.flatten(2).mT


def _auto(module, names):
    attention = [n for n in names if n == "attn.proj" or n.endswith(".attn.proj")]
    if attention:
        return attention[-1]
    layers = dict(module.named_modules())
    pointwise = [
        name
        for name in names
        if isinstance(layers[name], nn.Linear) or layers[name].kernel_size == (1, 1)
    ]
    main = [n for n in pointwise if not _SIDE_BRANCHES & set(n.split("."))]
    return (main or pointwise or [None])[-1]


def _reparametrised(layer):
    forward = type(layer).forward
    return forward is not nn.Conv2d.forward and not _pads_itself(layer)


def _pads_itself(layer):
    from timm.layers import Conv2dSame

    return type(layer) is Conv2dSame


def _pad_same(layer, a):
    """Pad as the layer does where output size is input size over stride."""
    pads = []
    for size, kernel, stride, dilation in zip(
        a.shape[-2:], layer.kernel_size, layer.stride, layer.dilation
    ):
        total = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size
        total = max(total, 0)
        pads.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = pads
    return torch.nn.functional.pad(a, (left, right, top, bottom))


def _list(names):
    shown = names if len(names) <= 40 else [*names[:10], "...", *names[-30:]]
    return f"Layers that can be chosen: {', '.join(shown) or 'none'}."
