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


def resolve_layer(module: nn.Module, layer: str | int) -> str:
    """Return the full name of a layer given by name or number.

    Raises
    ------
    ValueError
        If there is no such layer; the message lists those there are.
    """
    names = layer_names(module)
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
