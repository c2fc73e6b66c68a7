"""A digest of everything in a module that its output depends on."""

import hashlib
import inspect
import json

import torch

_LIBRARIES = ("torch", "timm", "torchvision")
_PLAIN = (bool, int, float, str, type(None))


def module_digest(module):
    """Return a hexadecimal digest of structure, settings and weights.

    Covers the class of every part, its plain attributes, its source where it comes
    from none of the large libraries, and all parameters and buffers. Equal modules
    built in different processes have equal digests.
    """
    state = hashlib.blake2b(digest_size=20)
    written = set()
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
        if kind not in written and kind.__module__.split(".")[0] not in _LIBRARIES:
            written.add(kind)
            state.update(_source(kind))
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in tensors:
        state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        state.update(flat.numpy())
    return state.hexdigest()


def _source(kind):
    try:
        return inspect.getsource(kind).encode()
    except (OSError, TypeError):
        code = getattr(kind.forward, "__code__", None)
        return code.co_code if code is not None else b""


def _is_plain(value):
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


def _plain(value):
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
