"""A card that is none: tensors of the CPU that say they are on ``cuda:0``.

    PYTHONPATH=tests python -m pytest -p stand_in_card -m gpu tests

What is written for CUDA runs with it where there is no card. Numbers are the CPU's, but
tensors of the host and of the card refuse to be mixed, as CUDA's do, arrays are had by
a copy only, and ``WAITS`` counts, by name, what makes the host wait for the card. It
says nothing about speed, memory, or how a card rounds.
"""

import contextlib
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

CARD = torch.device("cuda:0")
WAITS = Counter()
_TOTAL, _FREE = 80 * 2**30, 70 * 2**30

# What may be given tensors of both.
_TAKES_BOTH = {
    "copy_", "to", "type_as", "view_as", "expand_as", "reshape_as", "is_same_size",
    "set_", "new_tensor", "backward", "register_hook", "is_set_to", "swap_tensors",
    "_foreach_copy_", "_has_compatible_shallow_copy_type", "__deepcopy__",
}  # fmt: skip
# What the host has to wait for, because it takes numbers from the card.
_NEEDS_NUMBERS = {
    "item", "tolist", "__bool__", "__int__", "__float__", "__index__", "nonzero",
    "masked_select", "unique", "__contains__", "equal", "allclose", "is_nonzero",
    "argwhere", "unique_consecutive", "bincount", "multinomial", "__format__",
    "cholesky", "eigh", "inv", "solve", "svd", "qr", "lstsq",
}  # fmt: skip
# What makes tensors of what the host has.
_MAKES = {"tensor", "as_tensor", "asarray", "from_numpy"}
_SAME_PLACE = {"grad", "data", "mT", "T", "H", "mH", "real", "imag", "_base"}


def on_card(tensor):
    """Tell whether a tensor says that it is on the card."""
    return getattr(tensor, "_on_card", False)


def _pinned(tensor):
    return getattr(tensor, "_is_pinned", False)


def _put(value):
    """Let all tensors in a result say that they are on the card."""
    if isinstance(value, torch.Tensor):
        value._on_card = True
    elif isinstance(value, (tuple, list)):
        for each in value:
            _put(each)
    elif hasattr(value, "__next__"):
        return iter([_put(each) for each in value])
    return value


def _is_card(device):
    if device is None or isinstance(device, int):
        return device is not None
    device = torch.device(device)
    if device.type == "cuda" and device.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return device.type == "cuda"


class _Mode(TorchFunctionMode):
    """Every call of torch from Python passes here."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        if name in ("__get__", "__set__", "__delete__"):
            return _attribute(function, name, args)
        special = _SPECIAL.get(name)
        if special is not None:
            return special(function, args, kwargs)
        tensors = [t for t in tree_flatten((args, kwargs))[0] if _is_tensor(t)]
        here = any(map(on_card, tensors))
        made = "device" in kwargs and _is_card(kwargs["device"])
        elsewhere = kwargs.get("device") is not None and not made
        if made:
            kwargs["device"] = "cpu"
        is_pinned = kwargs.pop("pin_memory", False)
        if here:
            _refuse_mixtures(name, args, tensors)
            if name in _NEEDS_NUMBERS or _has_a_length_to_find(name, args, kwargs):
                WAITS[name] += 1
        elif made and name in _MAKES:
            WAITS["to"] += 1
        if "out_dtype" in kwargs:  # as only cards have it
            wide = kwargs.pop("out_dtype")
            args = tuple(a.to(wide) if _is_tensor(a) else a for a in args)
        found = function(*args, **kwargs)
        if is_pinned:
            found._is_pinned = True
        return _put(found) if (here or made) and not elsewhere else found


def _has_a_length_to_find(name, args, kwargs):
    """Tell whether how long the result is follows from numbers on the card."""
    if name == "repeat_interleave":
        repeats = kwargs.get("repeats", args[1] if len(args) > 1 else args[0])
        return _is_tensor(repeats) and kwargs.get("output_size") is None
    return name == "where" and len(args) + len(kwargs) == 1


def _is_tensor(value):
    return isinstance(value, torch.Tensor)


def _attribute(function, name, args):
    attribute = function.__self__.__name__
    if name == "__get__" and attribute == "device" and on_card(args[0]):
        return CARD
    if name == "__get__" and attribute in ("is_cuda", "is_cpu"):
        return on_card(args[0]) == (attribute == "is_cuda")
    found = function(*args)
    if name == "__set__" and attribute == "data":
        args[0]._on_card = on_card(args[1])
    if name == "__get__" and attribute in _SAME_PLACE and on_card(args[0]):
        return _put(found)
    return found


def _refuse_mixtures(name, args, tensors):
    """Raise what CUDA raises; single numbers of the host may go anywhere."""
    if name in _TAKES_BOTH:
        return
    hosts = [t for t in tensors if not on_card(t) and t.dim() > 0]
    if name in ("__getitem__", "__setitem__"):
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        masks = [i for i in index if _is_tensor(i) and i.dtype == torch.bool]
        if not on_card(args[0]) and hosts:
            raise RuntimeError("indices should be on the device of the tensor")
        if masks or hosts or any(isinstance(i, list) for i in index):
            WAITS["index of the host, or a mask"] += 1
    elif hosts:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found cuda:0 and cpu "
            f"({name})"
        )


def _array(function, args, kwargs):
    if on_card(args[0]):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    return function(*args, **kwargs)


def _cpu(function, args, kwargs):
    if not on_card(args[0]):
        return function(*args, **kwargs)
    WAITS["cpu"] += 1
    return args[0].clone()


def _to(function, args, kwargs):
    args, target = list(args), kwargs.get("device")
    if target is not None:
        kwargs["device"] = "cpu"
    for i, value in enumerate(args[1:], 1):
        if isinstance(value, (str, torch.device)):
            target, args[i] = value, "cpu"
        elif _is_tensor(value):
            target = CARD if on_card(value) else "cpu"
    before = on_card(args[0])
    after = before if target is None else _is_card(target)
    behind = kwargs.get("non_blocking", False)
    if before != after and not (after and behind and _pinned(args[0])):
        WAITS["to"] += 1
    found = function(*args, **kwargs)
    if before != after and found is args[0]:
        found = args[0].clone()
    return _put(found) if after else found


def _copy(function, args, kwargs):
    target, source = args[:2]
    if on_card(target) != on_card(source):
        host = source if on_card(target) else target
        behind = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
        if not (behind and _pinned(host)):
            WAITS["copy_"] += 1
    return function(*args, **kwargs)


def _cuda(function, args, kwargs):
    WAITS["cuda"] += 1
    return _put(args[0].clone())


def _deep_copy(function, args, kwargs):
    found = function(*args, **kwargs)
    return _put(found) if on_card(args[0]) else found


def _pin(function, args, kwargs):
    pinned = args[0].clone()
    pinned._is_pinned = True
    return pinned


_SPECIAL = {
    "numpy": _array,
    "__array__": _array,
    "cpu": _cpu,
    "cuda": _cuda,
    "to": _to,
    "copy_": _copy,
    "__deepcopy__": _deep_copy,
    "pin_memory": _pin,
    "is_pinned": lambda function, args, kwargs: _pinned(args[0]),
    "get_device": lambda function, args, kwargs: 0 if on_card(args[0]) else -1,
    "record_stream": lambda function, args, kwargs: None,
}


class _Stream:
    """Everything is done at once, so there is nothing to wait for."""

    device = CARD

    def __init__(self, *args, **kwargs):
        pass

    def wait_stream(self, other):
        pass

    wait_event = wait_stream

    def synchronize(self):
        WAITS["synchronize"] += 1


class _Event:
    def __init__(self, **kwargs):
        self._time = 0.0

    def record(self, stream=None):
        self._time = time.perf_counter()

    def synchronize(self):
        WAITS["event"] += 1

    def query(self):
        return True

    def elapsed_time(self, other):
        return 1000 * (other._time - self._time)


class _Generator:
    def manual_seed(self, seed):
        pass


def _no_limit(*args):
    pytest.skip("the stand-in has no limit of memory")


def _answer(value):
    return lambda *args, **kwargs: value


_STREAM = _Stream()
_PROPERTIES = SimpleNamespace(
    major=9, minor=0, total_memory=_TOTAL, name="stand-in", multi_processor_count=100
)
_CUDA = {
    "is_available": _answer(True),
    "is_initialized": _answer(True),
    "device_count": _answer(1),
    "current_device": _answer(0),
    "_lazy_init": _answer(None),
    "is_current_stream_capturing": _answer(False),
    "mem_get_info": _answer((_FREE, _TOTAL)),
    "memory_reserved": _answer(0),
    "memory_allocated": _answer(0),
    "max_memory_allocated": _answer(0),
    "reset_peak_memory_stats": _answer(None),
    "set_per_process_memory_fraction": _no_limit,
    "synchronize": lambda device=None: WAITS.update(synchronize=1),
    "empty_cache": _answer(None),
    "get_device_properties": _answer(_PROPERTIES),
    "get_device_capability": _answer((9, 0)),
    "get_device_name": _answer("stand-in"),
    "is_bf16_supported": _answer(True),
    "manual_seed": _answer(None),
    "manual_seed_all": _answer(None),
    "get_rng_state": lambda *args: torch.zeros(16, dtype=torch.uint8),
    "set_rng_state": _answer(None),
    "default_generators": (_Generator(),),
    "Stream": _Stream,
    "Event": _Event,
    "current_stream": _answer(_STREAM),
    "default_stream": _answer(_STREAM),
    "stream": lambda stream: contextlib.nullcontext(),
    "device": lambda device: contextlib.nullcontext(),
}


def _install():
    """For this process, for good: what was cached for the card is of no other use."""
    for name, value in _CUDA.items():
        setattr(torch.cuda, name, value)
    torch.Tensor.record_stream = lambda self, stream: None
    run, autocast = threading.Thread.run, torch.autocast.__init__
    fork_rng = torch.random.fork_rng

    def run_with_card(self):
        with _Mode():
            run(self)

    def autocast_of_cpu(self, device_type, *args, **kwargs):
        autocast(self, "cpu" if device_type == "cuda" else device_type, *args, **kwargs)

    threading.Thread.run = run_with_card
    torch.autocast.__init__ = autocast_of_cpu
    torch.random.fork_rng = lambda devices=None, **kwargs: fork_rng([], **kwargs)
    _Mode().__enter__()


if torch.cuda.is_available():
    raise RuntimeError("There is a card: leave out -p stand_in_card.")
_install()
