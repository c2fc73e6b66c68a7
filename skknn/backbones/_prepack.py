"""Linear and convolution layers with weights laid out for oneDNN.

torch takes matrix products on a CPU to MKL, which is two to three times slower than
oneDNN on some processors, and lays out a convolution's weights anew at every call.
The operations used here are torch's own but not documented; where they are missing,
or the result differs, the layers stay as they are.
"""

from collections.abc import Callable, Collection
from typing import Any

import torch
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import nn

from ._connections import connections, replace

# Activations that oneDNN applies while it writes the result.
_FUSED: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.SiLU: ("swish", []),
    nn.Hardswish: ("hardswish", []),
}


class PrepackedLinear(nn.Linear):
    """A linear layer that uses prepacked weights unless autograd watches its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad and torch.is_grad_enabled():
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(
            x, self.prepacked, self.bias, "none", [], ""
        )


class PrepackedConv2d(nn.Conv2d):
    """A convolution with prepacked weights and perhaps the activation after it.

    As torch does it where autograd watches its input.
    """

    same = False
    prepacked: torch.Tensor
    fused: tuple[str, list[float]]
    activation: nn.Module | None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.same:
            x = pad_same(
                x, list(self.kernel_size), list(self.stride), list(self.dilation)
            )
        padding = (0, 0) if self.same else self.padding
        if x.requires_grad and torch.is_grad_enabled():
            x = nn.functional.conv2d(
                x,
                self.weight,
                self.bias,
                self.stride,
                padding,
                self.dilation,
                self.groups,
            )
            return x if self.activation is None else self.activation(x)
        return torch.ops.mkldnn._convolution_pointwise(
            x,
            self.prepacked,
            self.bias,
            padding,
            self.stride,
            self.dilation,
            self.groups,
            *self.fused,
            "",
        )


class PrepackedConv2dSame(PrepackedConv2d):
    same = True


def can_prepack() -> bool:
    """Tell whether this build of torch has the operations."""
    ops = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and all(
        hasattr(ops, name)
        for name in (
            "_linear_pointwise",
            "_reorder_linear_weight",
            "_convolution_pointwise",
            "_reorder_convolution_weight",
        )
    )


def prepack(
    module: nn.Module,
    forward: Callable[[nn.Module, torch.Tensor], Any],
    x: torch.Tensor,
    keep: Collection[str] = (),
) -> None:
    """Prepack, in place, the linear layers and convolutions of a module on the CPU.

    The caller checks that the output stays the same.

    Parameters
    ----------
    module : torch.nn.Module
    forward : callable
        (module, x) -> anything.
    x : tensor
        An input of the usual size.
    keep : collection of str
        Layers that must stay as they are.
    """
    pairs, shapes = connections(
        module, forward, x, (nn.Linear, nn.Conv2d, Conv2dSame), tuple(_FUSED)
    )
    activations = dict(pairs)
    for name, shape in shapes.items():
        part: Any = module.get_submodule(name)
        if name in keep:
            continue
        if type(part) is nn.Linear:
            n_rows = shape[:-1].numel()
            part.prepacked = torch.ops.mkldnn._reorder_linear_weight(
                part.weight, n_rows
            )
            part.__class__ = PrepackedLinear
        elif part.padding_mode == "zeros" and not isinstance(part.padding, str):
            _prepack_convolution(part, shape)
            after = activations.get(name)
            if after is not None and type(module.get_submodule(after)) in _FUSED:
                part.activation = module.get_submodule(after)
                part.fused = _FUSED[type(part.activation)]
                replace(module, after, nn.Identity())


def _prepack_convolution(conv: Any, shape: torch.Size) -> None:
    same = type(conv) is Conv2dSame
    if same:
        blank = torch.empty(shape, device="meta")
        padded = pad_same(blank, conv.kernel_size, conv.stride, conv.dilation)
        shape = padded.shape
    conv.prepacked = torch.ops.mkldnn._reorder_convolution_weight(
        conv.weight,
        (0, 0) if same else conv.padding,
        conv.stride,
        conv.dilation,
        conv.groups,
        list(shape),
    )
    conv.fused, conv.activation = ("none", []), None
    conv.__class__ = PrepackedConv2dSame if same else PrepackedConv2d
