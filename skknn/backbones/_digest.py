"""A digest of everything in a module that its output depends on."""

import hashlib
import json
import types
from typing import Any

import torch
from torch import nn

_LIBRARIES = ("torch", "timm", "torchvision", "builtins")
_PLAIN = (bool, int, float, str, type(None))


def module_digest(module: nn.Module) -> str:
    """Return a hexadecimal digest of structure, settings and weights.

    Covers the class of every part, its plain attributes, its methods where it comes
    from none of the large libraries (not the functions that they call), and all
    parameters and buffers. Equal modules built in different processes have equal
    digests.
    """
    state = hashlib.blake2b(digest_size=20)
    written: set[type] = set()
    for name, part in module.named_modules():
        kind = type(part)
        settings = {
            key: _plain(value)
            for key, value in sorted(vars(part).items())
            if key != "_version" and _is_plain(value)
        }
        state.update(
            json.dumps(
                [name, kind.__module__, kind.__qualname__, settings], sort_keys=True
            ).encode()
        )
        for base in kind.__mro__:
            library = base.__module__.split(".")[0] in _LIBRARIES
            if base not in written and not library:
                written.add(base)
                state.update(_methods(base))
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in tensors:
        state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        state.update(flat.numpy().data)
    return state.hexdigest()


def _methods(kind: type) -> bytes:
    """The compiled code of a class's functions, as text that hashing can rely on."""
    parts = [f"{kind.__module__}.{kind.__qualname__}"]
    for name, value in sorted(vars(kind).items()):
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if code is not None:
            parts.append(f"{name}{_code(code)}")
    return "\n".join(parts).encode()


def _code(code: types.CodeType) -> str:
    constants = []
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            constants.append(_code(value))
        elif isinstance(value, frozenset):
            constants.append(repr(sorted(map(repr, value))))
        else:
            constants.append(repr(value))
    return f"({code.co_code.hex()} {constants} {code.co_names})"


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
