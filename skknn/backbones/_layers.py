"""Which layers of a module can be named or numbered."""

import difflib

from torch import nn

_CONTAINERS = ("blocks", "stages", "layers", "features")


def layer_names(module: nn.Module) -> list[str]:
    """List the blocks or stages of a module in order: what an integer counts."""
    for name in _CONTAINERS:
        part = getattr(module, name, None)
        if isinstance(part, (nn.Sequential, nn.ModuleList)) and len(part):
            return [f"{name}.{child}" for child, _ in part.named_children()]
    numbered = [f"layer{i}" for i in range(1, 9) if hasattr(module, f"layer{i}")]
    return numbered or [name for name, _ in module.named_children()]


def block_names(module: nn.Module) -> list[str]:
    """List the equal blocks that follow each other in a transformer.

    Of its lists of equal parts that with the most parameters, whatever it is called.
    """
    largest, names = 0, layer_names(module)
    for name, part in module.named_modules():
        if not isinstance(part, (nn.ModuleList, nn.Sequential)):
            continue
        size = sum(parameter.numel() for parameter in part.parameters())
        if len({type(block) for block in part}) == 1 and size > largest:
            largest = size
            names = [f"{name}.{child}" for child, _ in part.named_children()]
    return names


def resolve_layer(
    module: nn.Module, layer: str | int, names: list[str] | None = None
) -> str:
    """Return the full name of a layer given by name or number.

    Parameters
    ----------
    module : torch.nn.Module
    layer : str or int
    names : list of str, optional
        What numbers count, where it is not :func:`layer_names`.

    Raises
    ------
    ValueError
        If there is no such layer; the message lists those there are.
    """
    names = layer_names(module) if names is None else names
    if isinstance(layer, str):
        known = dict(module.named_modules())
        if layer and layer in known:
            return layer
        near = difflib.get_close_matches(layer, list(known), n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"layer={layer!r} is not in the backbone.{hint} Its blocks are "
            f"{', '.join(names)} (or their numbers, 0 to {len(names) - 1}); parts of "
            "them can be named too."
        )
    if not -len(names) <= layer < len(names):
        raise ValueError(
            f"layer={layer} is out of range: the backbone has {len(names)} blocks, "
            f"numbered 0 to {len(names) - 1} (negative from the end): "
            f"{', '.join(names)}."
        )
    return names[layer]
