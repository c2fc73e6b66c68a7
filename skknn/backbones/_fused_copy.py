"""A copy of a module that gives the same rows sooner."""

import copy
from collections.abc import Callable, Collection

import torch
from torch import nn

from ._fuse import fuse_batch_norm
from ._precision import RESPELLED
from ._prepack import can_prepack, prepack

Forward = Callable[[nn.Module, torch.Tensor], torch.Tensor]


def fused_copy(
    module: nn.Module,
    forward: Forward,
    x: torch.Tensor,
    dtype: torch.dtype = torch.float32,
    keep: Collection[str] = (),
) -> nn.Module:
    """Return a copy with fused normalisations and, on a CPU, prepacked weights.

    Each step is kept only if the output agrees with the module's own.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode; unchanged.
    forward : callable
        (module, x) -> tensor that is compared.
    x : float32 tensor
        Input to try, on the module's device.
    dtype : torch.float32 or torch.bfloat16
        Of the copy and of its input.
    keep : collection of str
        Layers that must stay as they are.

    Returns
    -------
    torch.nn.Module
        The module itself where nothing could be gained.
    """
    with torch.no_grad():
        expected = forward(module, x).float()
        fused = module
        if any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
            fused = _attempt(fuse_batch_norm, fused, forward, x, expected, keep)
        if dtype is not torch.float32:
            # A deep copy: to() would convert tensors that are shared.
            converted = copy.deepcopy(fused).to(dtype)
            if not _agrees(converted, forward, x.to(dtype), expected):
                return module
            fused = converted
        if x.device.type == "cpu" and can_prepack():
            fused = _attempt(prepack, fused, forward, x.to(dtype), expected, keep)
    return fused


def _attempt(
    change: Callable,
    module: nn.Module,
    forward: Forward,
    x: torch.Tensor,
    expected: torch.Tensor,
    keep: Collection[str],
) -> nn.Module:
    """Return a changed copy, or the module where the change does harm."""
    try:
        changed = _shallow_copy(module)
        change(changed, forward, x, keep)
    except Exception:  # whatever a model does that the change did not foresee
        return module
    return changed if _agrees(changed, forward, x, expected) else module


def _agrees(
    module: nn.Module, forward: Forward, x: torch.Tensor, expected: torch.Tensor
) -> bool:
    """Whether a changed copy runs and gives what the module gives."""
    try:
        got = forward(module, x).float()
    except Exception:  # as above
        return False
    error = (got - expected).abs().max()
    # NaN compares as false.
    return bool(error <= RESPELLED[x.dtype] * expected.abs().max())


def _shallow_copy(module: nn.Module) -> nn.Module:
    """Return new layers around the same tensors, which are only ever replaced."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
