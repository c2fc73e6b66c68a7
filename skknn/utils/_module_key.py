"""A key that is equal for equal torch modules, such as a module and its clones."""

import hashlib
import pickle
import sys
import types
from typing import Any

#: What copies share with each other.
SHARED = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)


def module_key(value: Any) -> str | None:
    """Return a key of a torch module's content; None for anything else.

    Within one process: what refers to the same functions, classes and constants and
    holds equal tensors, arrays and settings has the same key. None also for a module
    that cannot be pickled.

    Parameters
    ----------
    value : object
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.nn.Module):
        return None
    try:
        return _digest(value, torch)
    except Exception:  # whatever a part's own way of pickling raises
        return None


def _digest(value: Any, torch: types.ModuleType) -> str:
    digest = hashlib.blake2b(digest_size=20)
    _Pickler(digest, torch).dump(value)
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """Pickles into a digest: tensors by their bytes, functions by identity."""

    def __init__(self, digest: Any, torch: types.ModuleType) -> None:
        super().__init__(_Sink(digest), protocol=pickle.HIGHEST_PROTOCOL)
        self._torch = torch

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, SHARED):
            # Copies share functions and classes, which may not be importable.
            return "shared", id(value)
        if isinstance(value, self._torch.Tensor):
            return "tensor", type(value).__name__, *_content(value, self._torch)
        if type(value) in (set, frozenset):
            # Equal ones, a copy even, may come in another order.
            inside = sorted(_digest(each, self._torch) for each in value)
            return type(value).__name__, *inside
        return None


class _Sink:
    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return memoryview(data).nbytes


def _content(tensor: Any, torch: types.ModuleType) -> tuple:
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise pickle.PicklingError("tensors of this kind have no bytes of their own")
    host = tensor.detach().cpu().contiguous()
    data = (torch.view_as_real(host) if host.is_complex() else host).reshape(-1)
    digest = hashlib.blake2b(data.view(torch.uint8).numpy().data, digest_size=20)
    return str(tensor.dtype), tuple(tensor.shape), digest.hexdigest()
