"""A copy of a module that gives the same rows sooner on a CPU."""

import copy

import torch
from torch import nn

from ._fold import fold_batch_norm
from ._pack import can_pack, pack

# Largest difference from the module itself, relative to the largest value.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def quick_copy(module, forward, x, dtype=torch.float32, keep=()):
    """Return a copy with folded normalisations and packed weights.

    Each step is kept only if the output agrees with the module's own.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU, in evaluation mode; unchanged.
    forward : callable
        (module, x) -> tensor that is compared.
    x : float32 tensor
        Input to try.
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
        quick = module
        if any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
            quick = _attempt(fold_batch_norm, quick, forward, x, expected, keep)
        if dtype is not torch.float32:
            # A deep copy: to() would convert tensors that are shared.
            quick = copy.deepcopy(quick).to(dtype)
        if can_pack():
            quick = _attempt(pack, quick, forward, x.to(dtype), expected, keep)
    return quick


def _attempt(change, module, forward, x, expected, keep):
    """Return a changed copy, or the module where the change does harm."""
    try:
        changed = _shallow_copy(module)
        change(changed, forward, x, keep)
        got = forward(changed, x).float()
    except Exception:  # whatever a model does that the change did not foresee
        return module
    error = (got - expected).abs().max()
    # Written so that NaN fails too.
    good = error <= _TOLERANCE[x.dtype] * expected.abs().max()
    return changed if good else module


def _shallow_copy(module):
    """Return new layers around the same tensors, which are only ever replaced."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
