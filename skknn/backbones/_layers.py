"""Which layers of a module can be named, and how to stop at one."""

import difflib
import threading
from contextlib import contextmanager

from torch import nn

_CONTAINERS = ("blocks", "stages", "layers", "features")


def layer_names(module):
    """List the blocks or stages of a module in order: what an integer counts."""
    for name in _CONTAINERS:
        part = getattr(module, name, None)
        if isinstance(part, (nn.Sequential, nn.ModuleList)) and len(part):
            return [f"{name}.{child}" for child, _ in part.named_children()]
    numbered = [f"layer{i}" for i in range(1, 9) if hasattr(module, f"layer{i}")]
    return numbered or [name for name, _ in module.named_children()]


def resolve_layer(module, layer):
    """Return the full name of a layer given by name or number.

    Raises
    ------
    ValueError
        If there is no such layer; the message lists those there are.
    """
    names = layer_names(module)
    if isinstance(layer, str):
        known = dict(module.named_modules())
        if layer and layer in known:
            return layer
        near = difflib.get_close_matches(layer, list(known), n=3)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"layer={layer!r} is not in the backbone.{hint} Its blocks are "
            f"{', '.join(names)} (or their numbers, 0 to {len(names) - 1}); parts of "
            "them can be named too."
        )
    if not -len(names) <= layer < len(names):
        raise ValueError(
            f"layer={layer} is out of range: the backbone has {len(names)} blocks, "
            f"numbered 0 to {len(names) - 1} (negative from the end): "
            f"{', '.join(names)}."
        )
    return names[layer]


class _Stop(Exception):
    pass


class LayerTap:
    """Run a module up to one of its layers and take that layer's output.

    The hook is there only within :meth:`open`, and keeps threads apart.
    """

    def __init__(self, module, name):
        self._module = module
        self._part = module.get_submodule(name)
        self._name = name
        self._seen = threading.local()

    @contextmanager
    def open(self):
        """Hook the layer; unhook it at the end, also after an error."""
        handle = self._part.register_forward_hook(self._keep)
        try:
            yield
        finally:
            handle.remove()

    def __call__(self, x):
        self._seen.on, self._seen.output = True, None
        try:
            self._module(x)
        except _Stop:
            return self._seen.output
        finally:
            self._seen.on, self._seen.output = False, None
        raise ValueError(
            f"layer={self._name!r} is never run by the backbone. Name another one."
        )

    def _keep(self, module, args, output):
        if getattr(self._seen, "on", False):
            self._seen.output = output
            raise _Stop
