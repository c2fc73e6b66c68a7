"""Layers, strides and sizes of a backbone whose maps are used."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from ._layers import resolve_layer

# Strides whose stages "auto" joins, and the grid on which it does.
_AUTO_STRIDES, _AUTO_GRID = (8, 16, 32), 16
# Of a module that says nothing.
_USUAL_STRIDE = 32


def stages(module: nn.Module) -> list[dict[str, Any]]:
    """Return timm's description of a module's stages; empty where it has none."""
    info: Any = getattr(module, "feature_info", None)
    info = getattr(info, "info", info)
    usable = isinstance(info, list) and all(isinstance(part, dict) for part in info)
    return info if usable else []


def coarsest_stride(module: nn.Module) -> int:
    """Return what the sides of images should be multiples of, in pixels."""
    return int(max((s["reduction"] for s in stages(module)), default=_USUAL_STRIDE))


def resolve_layers(
    module: nn.Module, layer: Any, stride: int | None
) -> tuple[tuple[str | None, ...], int | None]:
    """Return full names of layers and the stride of their grid.

    Parameters
    ----------
    module : torch.nn.Module
    layer : "auto", str, int, None or sequence of str, int and None
        None is the last feature map.
    stride : int or None

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    if isinstance(layer, str) and layer == "auto":
        layers = _auto_layers(module)
        joined = len(layers) > 1
        return layers, _AUTO_GRID if joined and stride is None else stride
    several = isinstance(layer, Sequence) and not isinstance(layer, str)
    asked = list(layer) if several else [layer]
    if not asked:
        raise ValueError(
            "layer=[] names no layer. Use 'auto', or numbers and names of blocks."
        )
    return tuple(None if a is None else resolve_layer(module, a) for a in asked), stride


def _auto_layers(module: nn.Module) -> tuple[str | None, ...]:
    info = stages(module)
    if len({stage["reduction"] for stage in info}) < 2:
        return (None,)  # a transformer: all of its blocks are on one grid
    by_stride = {stage["reduction"]: stage for stage in info}
    chosen = [by_stride[s] for s in _AUTO_STRIDES if s in by_stride]
    width = getattr(module, "num_features", None)
    if chosen and chosen[-1] is info[-1] and chosen[-1].get("num_chs") == width:
        chosen.pop()  # the last feature map is this stage, or its normalised form
    return (*(stage["module"] for stage in chosen), None)
