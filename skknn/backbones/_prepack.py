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
    """A linear layer that uses prepacked weights unless autograd watches its input.

    Parameters
    ----------
    linear : torch.nn.Linear
        Whose tensors, hooks and settings it takes over.
    n_rows : int
        Rows of an input of the usual size.
    """

    def __init__(self, linear: nn.Linear, n_rows: int) -> None:
        self.__dict__.update(linear.__dict__)
        self.prepacked = torch.ops.mkldnn._reorder_linear_weight(linear.weight, n_rows)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad and torch.is_grad_enabled():
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(
            x, self.prepacked, self.bias, "none", [], ""
        )


class PrepackedConv2d(nn.Conv2d):
    """A convolution with prepacked weights and perhaps the activation after it.

    As torch does it where autograd watches its input.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        Whose tensors, hooks and settings it takes over.
    shape : torch.Size
        Of an input of the usual size.
    activation : torch.nn.Module or None
        A key of ``_FUSED``.
    """

    same = False

    def __init__(
        self, conv: nn.Conv2d, shape: torch.Size, activation: nn.Module | None
    ) -> None:
        self.__dict__.update(conv.__dict__)
        self.activation = activation
        self.fused = ("none", []) if activation is None else _FUSED[type(activation)]
        if self.same:
            blank = torch.empty(shape, device="meta")
            shape = self._padded(blank).shape
        self.prepacked = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight,
            (0, 0) if self.same else conv.padding,
            conv.stride,
            conv.dilation,
            conv.groups,
            list(shape),
        )

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        return pad_same(
            x, list(self.kernel_size), list(self.stride), list(self.dilation)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.same:
            x = self._padded(x)
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
            replace(module, name, PrepackedLinear(part, shape[:-1].numel()))
        elif part.padding_mode == "zeros" and not isinstance(part.padding, str):
            after, activation = activations.get(name), None
            if after is not None and type(module.get_submodule(after)) in _FUSED:
                activation = module.get_submodule(after)
                replace(module, after, nn.Identity())
            same = type(part) is Conv2dSame
            kind = PrepackedConv2dSame if same else PrepackedConv2d
            replace(module, name, kind(part, shape, activation))
