"""Which layer's gradient is taken."""

from timm.layers import Conv2dSame
from torch import nn

# Their weights act on one pooled vector or duplicate a shortcut.
_SIDE_BRANCHES = {"se", "downsample", "shortcut", "gate", "conv_shortcut", "pooler"}
# What attention output projections are called: by timm; then by transformers, in the
# families of BERT, of ALBERT, of MPNet, of DistilBERT, of T5, of ModernBERT, of
# wav2vec 2.0, and in its newer models.
_ATTENTION_OUTPUTS = (
    "attn.proj",
    "attention.output.dense",
    "attention.dense",
    "attention.attn.o",
    "attention.out_lin",
    "SelfAttention.o",
    "attn.Wo",
    "attention.out_proj",
    "self_attn.out_proj",
    "attention.o_proj",
    "self_attn.o_proj",
)

# Attention that reads the weights of its projections instead of calling them.
_READ_WEIGHTS = {"MultiheadAttention", "WavLMAttention"}


def is_candidate(module: nn.Module) -> bool:
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


def candidates(module: nn.Module) -> list[str]:
    """Return the names of all layers that may be chosen, in the module's order."""
    return [name for name, layer in module.named_modules() if is_candidate(layer)]


def choose_layer(module: nn.Module, layer: str = "auto") -> str:
    """Return the name of the layer to differentiate.

    "auto" is the last attention output projection (F Fig. 8); without attention, or
    where that is never called as a layer, the last 1x1 convolution or linear layer of
    the main path.

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


def _auto(module: nn.Module, names: list[str]) -> str | None:
    layers = dict(module.named_modules())
    names = [
        name
        for name in names
        if type(layers[name.rpartition(".")[0]]).__name__ not in _READ_WEIGHTS
    ]
    endings = tuple(f".{ending}" for ending in _ATTENTION_OUTPUTS)
    attention = [name for name in names if f".{name}".endswith(endings)]
    if attention:
        return attention[-1]
    pointwise = [
        name
        for name in names
        if isinstance(layers[name], nn.Linear) or layers[name].kernel_size == (1, 1)
    ]
    main = [n for n in pointwise if not _SIDE_BRANCHES & set(n.split("."))]
    chosen = main or pointwise
    return chosen[-1] if chosen else None


def _reparametrised(layer: nn.Conv2d) -> bool:
    own_forward = type(layer).forward is not nn.Conv2d.forward
    return own_forward and type(layer) is not Conv2dSame


def _list(names: list[str]) -> str:
    shown = names if len(names) <= 40 else [*names[:10], "...", *names[-30:]]
    return f"Layers that can be chosen: {', '.join(shown) or 'none'}."
