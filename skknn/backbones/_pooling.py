"""Feature maps of any family -> one row an image."""

from math import isqrt

import torch
from torch import nn

POOLINGS = ("auto", "token", "avg", "max", "gem", "rmac", "flatten")


class FeatureMap:
    """The output of a layer in one form for all families.

    Attributes
    ----------
    spatial : tensor (n, C, H, W)
        Positions of the image.
    prefix : tensor (n, P, C)
        Class, distillation and register tokens; P may be 0.
    """

    def __init__(
        self, spatial: torch.Tensor, prefix: torch.Tensor | None = None
    ) -> None:
        self.spatial = spatial
        if prefix is None:
            prefix = spatial.new_zeros(len(spatial), 0, spatial.shape[1])
        self.prefix = prefix


def to_feature_map(
    features: torch.Tensor,
    module: nn.Module,
    channels_last: bool | None = None,
    size: tuple[int, ...] | None = None,
) -> FeatureMap:
    """Bring a raw output, (n, C, H, W), (n, H, W, C) or (n, N, C), to one form.

    Parameters
    ----------
    features : tensor
    module : torch.nn.Module
        The whole model, for its number of prefix tokens and its grid.
    channels_last : bool, optional
        Whether 4-D features are (n, H, W, C); None asks the module.
    size : (height, width), optional
        Of the images, where it may be another than the module's own.

    Raises
    ------
    ValueError
        If the features are no map.
    """
    if not isinstance(features, torch.Tensor) or features.ndim not in (3, 4):
        shape = getattr(features, "shape", None)
        found = type(features).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ValueError(
            f"The layer gives no feature map ({found}): pooling needs (n, C, H, W) "
            "or (n, tokens, C). Use pooling='auto' or another layer."
        )
    if features.ndim == 4:
        if channels_last is None:
            channels_last = getattr(module, "output_fmt", None) == "NHWC"
        return FeatureMap(features.permute(0, 3, 1, 2) if channels_last else features)
    n_prefix = getattr(module, "num_prefix_tokens", 0)
    prefix, patches = features[:, :n_prefix], features[:, n_prefix:]
    height, width = _grid(module, patches.shape[1], size)
    spatial = patches.transpose(1, 2).unflatten(2, (height, width))
    return FeatureMap(spatial, prefix)


def has_class_token(module: nn.Module) -> bool:
    """Tell whether the first token of the module is a class token."""
    return getattr(module, "num_prefix_tokens", 0) > 0 and isinstance(
        getattr(module, "cls_token", None), torch.Tensor
    )


def pool(features: FeatureMap, pooling: str) -> torch.Tensor:
    """Pool a feature map to rows.

    Parameters
    ----------
    features : FeatureMap
    pooling : {"token", "avg", "max", "gem", "rmac", "flatten"}

    Returns
    -------
    tensor of shape (n, D)
    """
    x = features.spatial
    if pooling == "token":
        return features.prefix[:, 0]
    if pooling == "avg":
        return x.mean((2, 3))
    if pooling == "max":
        return x.amax((2, 3))
    if pooling == "gem":
        return gem(x)
    if pooling == "rmac":
        return rmac(x)
    return x.flatten(1)


def gem(x: torch.Tensor, p: float = 3.0, eps: float = 1e-6) -> torch.Tensor:
    """Generalised mean over positions; values below ``eps`` count as ``eps``."""
    # Powers of bfloat16 would lose what the mean should keep.
    return x.float().clamp(min=eps).pow(p).mean((2, 3)).pow(1.0 / p)


def rmac(x: torch.Tensor, levels: int = 3) -> torch.Tensor:
    """Regional maximum activations of convolutions (Tolias et al., 2016).

    Square regions at ``levels`` scales, about 40 % overlapping; the maximum of
    each is L2-normalised, their sum too.
    """
    x = x.float()
    height, width = x.shape[2:]
    total = x.new_zeros(x.shape[:2])
    for top, left, side in rmac_regions(height, width, levels):
        region = x[:, :, top : top + side, left : left + side].amax((2, 3))
        total += torch.nn.functional.normalize(region)
    return torch.nn.functional.normalize(total)


def rmac_regions(
    height: int, width: int, levels: int = 3, overlap: float = 0.4
) -> list[tuple[int, int, int]]:
    """List the (top, left, side) of R-MAC's regions."""
    short, long = min(height, width), max(height, width)
    # Along the longer side, as many regions as bring their overlap nearest 40 %.
    extra = 0
    if long > short:
        steps = range(2, 8)
        found = [1 - (long - short) / (n - 1) / short for n in steps]
        extra = 1 + min(range(len(found)), key=lambda i: abs(found[i] - overlap))
    regions = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        n_rows = level + (extra if height > width else 0)
        n_columns = level + (extra if width > height else 0)
        regions += [
            (top, left, side)
            for top in _starts(height, side, n_rows)
            for left in _starts(width, side, n_columns)
        ]
    return regions


def _starts(length: int, side: int, n: int) -> list[int]:
    if n == 1:
        return [0]
    return [int(i * (length - side) / (n - 1)) for i in range(n)]


def _grid(
    module: nn.Module, n_patches: int, size: tuple[int, ...] | None
) -> tuple[int, int]:
    if size is not None:
        # One patch is so many pixels high and wide, for the first that fits.
        for patch in range(1, min(size) + 1):
            height, width = size[0] // patch, size[1] // patch
            if height * width == n_patches:
                return height, width
    grid = getattr(getattr(module, "patch_embed", None), "grid_size", None)
    if grid is not None and grid[0] * grid[1] == n_patches:
        return tuple(grid)
    side = isqrt(n_patches)
    # Later stages of hierarchical models have a smaller, square grid.
    return (side, side) if side * side == n_patches else (1, n_patches)
