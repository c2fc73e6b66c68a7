"""Whether a module was changed since it was last looked at."""

import types
from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch import nn

from ..utils._class_code import is_plain

_METHODS = (types.FunctionType, types.MethodType)
_CONTAINERS = (dict, set, nn.Module)
_FUNCTIONS = (types.FunctionType, property, staticmethod, classmethod)


def module_stamp(module: nn.Module) -> Hashable:
    """Return a key that changes when a module is changed in any usual way.

    When something of one of its parts or of their classes is bound anew, when tensors
    are written to, also through ``.data``, and when hooks or methods of their own
    come or go. What else its code refers to is not followed.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    hashable
        Of meaning in this process only.
    """
    parts = list(module.modules())
    # Thousands of values, most of them dicts.
    values = [
        id(value)
        if isinstance(value, _CONTAINERS) or not is_plain(value)
        else repr(value)
        for part in parts
        for value in (part, type(part), *vars(part).values())
    ]
    kinds = {kind for own in {type(part) for part in parts} for kind in own.__mro__}
    functions = [
        tuple(id(value) for value in vars(kind).values() if _is_function(value))
        for kind in sorted(kinds, key=id)
    ]
    return _are_watched(parts), hash((*values, *functions)), _contents(parts)


def is_watched(module: nn.Module) -> bool:
    """Whether hooks, or methods of its own, would miss a run of a copy.

    What is put in the place of a method of one part often goes on to call that part.
    """
    return _are_watched(module.modules())


def _are_watched(parts: Iterable[nn.Module]) -> bool:
    return any(
        part._forward_hooks or part._forward_pre_hooks or _has_methods(part)
        for part in parts
    )


def _has_methods(part: nn.Module) -> bool:
    for name, value in vars(part).items():
        if isinstance(value, _METHODS) and hasattr(type(part), name):
            return True
    return False


def _is_function(value: Any) -> bool:
    # Other attributes of a class may count something.
    return isinstance(value, _FUNCTIONS)


def _contents(parts: list[nn.Module]) -> Hashable:
    """What tells tensors from others: versions, and sums, as .data has no version."""
    tensors = [
        tensor
        for part in parts
        for tensor in (*part._parameters.values(), *part._buffers.values())
        if tensor is not None
    ]
    places = tuple((id(t), t.data_ptr(), _version(t)) for t in tensors)
    sums: dict[tuple, list[torch.Tensor]] = {}
    with torch.no_grad():
        for tensor in tensors:
            total = tensor.sum()
            sums.setdefault((total.dtype, total.device), []).append(total)
        found = [torch.stack(each).cpu().view(torch.uint8) for each in sums.values()]
    return places, *(each.numpy().tobytes() for each in found)


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
