"""A layer's weight gradient as sums of outer products of its inputs and outputs."""

from typing import Any

import torch
from timm.layers import Conv2dSame
from torch import nn


def gradient_size(layer: Any) -> tuple[int, int]:
    """Return (rows, columns) of a layer's gradient, the bias as last column."""
    rows = layer.weight.shape[0]
    columns = layer.weight[0].numel() + (layer.bias is not None)
    return rows, columns


def input_rows(layer: Any, a: torch.Tensor) -> torch.Tensor:
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
    if isinstance(padding, str) or type(layer) is Conv2dSame:
        a, padding = _pad_same(layer, a), 0
    return nn.functional.unfold(
        a, layer.kernel_size, layer.dilation, padding, layer.stride
    )


def output_rows(layer: Any, b: torch.Tensor) -> torch.Tensor:
    """Return the gradient at a layer's output as (n, L, out)."""
    if isinstance(layer, nn.Linear):
        return b.reshape(len(b), -1, b.shape[-1])
    return b.flatten(2).mT


def add_outer_products(
    total: torch.Tensor, layer: Any, a: torch.Tensor, b: torch.Tensor
) -> None:
    """Add sum b a' (and sum b for the bias) of each of n images to ``total``.

    Parameters
    ----------
    total : float32 tensor of shape (n, rows, columns)
        As :func:`gradient_size` says.
    layer : Linear or Conv2d
    a, b : tensors of shape (n * V, ...)
        The layer's input, and the gradient at its output.
    """
    n = len(total)
    a = input_rows(layer, a.float())
    b = output_rows(layer, b.float())
    # (n * V, in, L) -> (n, in, V * L): one matrix product an image.
    a = a.unflatten(0, (n, -1)).transpose(1, 2).flatten(2)
    b = b.reshape(n, -1, b.shape[-1])
    width = a.shape[1]
    total[:, :, :width].baddbmm_(b.mT, a.mT)
    if layer.bias is not None:
        total[:, :, width] += b.sum(1)


def _pad_same(layer: nn.Conv2d, a: torch.Tensor) -> torch.Tensor:
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
