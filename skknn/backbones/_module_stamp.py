"""Whether a module was changed since it was last looked at."""

import types
from collections.abc import Hashable
from typing import Any

import torch
from torch import nn

from ..utils._class_code import is_plain

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
    kinds: set[type] = set()
    parts = []
    for part in module.modules():
        kinds.update(type(part).__mro__)
        values = [
            repr(value) if is_plain(value) else id(value)
            for value in vars(part).values()
        ]
        parts.append((id(part), type(part), *values))
    functions = [
        tuple(id(value) for value in vars(kind).values() if _is_function(value))
        for kind in sorted(kinds, key=id)
    ]
    return is_watched(module), hash((*parts, *functions)), _contents(module)


def is_watched(module: nn.Module) -> bool:
    """Whether hooks, or methods of its own, would miss a run of a copy.

    What is put in the place of a method of one part often goes on to call that part.
    """
    return any(
        part._forward_hooks or part._forward_pre_hooks or _has_methods(part)
        for part in module.modules()
    )


def _has_methods(part: nn.Module) -> bool:
    return any(
        isinstance(value, (types.FunctionType, types.MethodType))
        and hasattr(type(part), name)
        for name, value in vars(part).items()
    )


def _is_function(value: Any) -> bool:
    # Other attributes of a class may count something.
    return isinstance(value, _FUNCTIONS)


def _contents(module: nn.Module) -> Hashable:
    """What tells tensors from others: versions, and sums, as .data has no version."""
    tensors = [*module.parameters(), *module.buffers()]
    places = tuple((id(t), t.data_ptr(), _version(t)) for t in tensors)
    with torch.no_grad():
        sums = [t.sum().to(torch.complex128) for t in tensors]
        if not sums:
            return places
        return places, torch.stack(sums).cpu().numpy().tobytes()


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
