"""Record a layer's inputs and cut the autograd graph at its outputs."""

import threading
from contextlib import contextmanager

import torch


class LayerTap:
    """A hook that records calls of one layer, each thread's for itself.

    No parameter of a frozen module asks for gradients, so autograd records nothing
    until the layer's first output, which is made a leaf here.

    Parameters
    ----------
    layer : torch.nn.Module
    """

    def __init__(self, layer):
        self.layer = layer
        self._seen = threading.local()

    @contextmanager
    def open(self):
        """Hook the layer; unhook it at the end, also after an error."""
        handle = self.layer.register_forward_hook(self._record)
        try:
            yield self
        finally:
            handle.remove()

    def run(self, forward, x):
        """Return ``forward(x)`` and the layer's inputs and outputs in it.

        Raises
        ------
        RuntimeError
            If the layer was not called, or an input was overwritten since.
        """
        calls = self._seen.calls = []
        try:
            with torch.enable_grad():
                embeddings = forward(x)
        finally:
            self._seen.calls = None
        if not calls:
            raise RuntimeError(
                f"The chosen layer ({self.layer}) is never called as a module in the "
                "forward pass, so its gradient cannot be taken. Choose another "
                "layer=."
            )
        if any(a._version != version for a, version, _ in calls):
            raise RuntimeError(
                f"The input of the chosen layer ({self.layer}) is overwritten in place "
                "later in the forward pass. Choose another layer=."
            )
        return embeddings, [a for a, _, _ in calls], [out for _, _, out in calls]

    def _record(self, layer, args, output):
        calls = getattr(self._seen, "calls", None)
        if calls is None:
            return None
        (a,) = args
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        calls.append((a.detach(), a._version, output))
        # A copy, because a module may go on to change its tensor in place.
        return output.clone()


class InputTap:
    """A hook that stops a module's forward pass at one part and keeps its input."""

    def __init__(self, part):
        self.part = part
        self._seen = threading.local()

    @contextmanager
    def open(self):
        """Hook the part; unhook it at the end, also after an error."""
        handle = self.part.register_forward_pre_hook(self._stop)
        try:
            yield self
        finally:
            handle.remove()

    def run(self, module, x):
        """Return what ``part`` is given when ``module`` is called on ``x``."""
        self._seen.on, self._seen.value = True, None
        try:
            module(x)
        except _Stop:
            return self._seen.value
        finally:
            self._seen.on, self._seen.value = False, None
        raise RuntimeError(f"{self.part} is never called in the forward pass.")

    def _stop(self, part, args):
        if getattr(self._seen, "on", False):
            self._seen.value = args[0]
            raise _Stop


class _Stop(Exception):
    pass


def graph_bytes(forward):
    """Return the bytes that autograd keeps for one call of ``forward``."""
    seen = {}

    def note(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(seen.values())
