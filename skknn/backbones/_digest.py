"""A digest of what can be written down of a module: tensors, settings, code.

What it cannot see (tensors kept as attributes, what functions call, hooks) shows in
what the module answers; see ``_probe``.
"""

import hashlib
import json
from typing import Any

import torch
from torch import nn

from ..utils._class_code import class_code, function_code, is_plain

_LIBRARIES = ("torch", "timm", "torchvision", "builtins")


def module_digest(module: nn.Module) -> str:
    """Return a hexadecimal digest of structure, settings and weights.

    Covers the class of every part, its plain attributes, functions among its
    attributes, its methods where it comes from none of the large libraries (not the
    functions that they call), and all parameters and buffers. Equal modules built in
    different processes have equal digests.

    Parameters
    ----------
    module : torch.nn.Module
    """
    state = hashlib.blake2b(digest_size=20)
    written: set[type] = set()
    for name, part in module.named_modules():
        kind = type(part)
        settings = {
            key: _as_json(value)
            for key, value in sorted(vars(part).items())
            if key != "_version" and is_plain(value)
        }
        functions = {
            key: function_code(value)
            for key, value in sorted(vars(part).items())
            if callable(value) and not isinstance(value, nn.Module)
        }
        state.update(
            json.dumps(
                [name, kind.__module__, kind.__qualname__, settings, functions],
                sort_keys=True,
            ).encode()
        )
        for base in kind.__mro__:
            library = base.__module__.split(".")[0] in _LIBRARIES
            if base not in written and not library:
                written.add(base)
                state.update(class_code(base).encode())
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        state.update(_bytes(tensor.detach()).numpy().data)
    return state.hexdigest()


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor's values as they are in memory."""
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.cpu().contiguous().reshape(-1).view(torch.uint8)


def _as_json(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_as_json(item) for item in value]
    return repr(value) if isinstance(value, (complex, bytes)) else value
