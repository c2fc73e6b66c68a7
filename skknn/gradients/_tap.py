"""Record a layer's inputs and cut the autograd graph at its outputs."""

import torch


class LayerTap:
    """A context in which calls of one layer are recorded.

    No parameter of a frozen module asks for gradients, so autograd records nothing
    until the layer's first output, which is made a leaf here. Hooks are removed on
    leaving, also after an exception.

    Attributes
    ----------
    calls : list of (input, output)
        One entry a call; outputs belong to the graph.
    """

    def __init__(self, layer):
        self.layer = layer
        self.calls = []

    def __enter__(self):
        self.calls = []
        self._handle = self.layer.register_forward_hook(self._record)
        return self

    def __exit__(self, *exc_info):
        self._handle.remove()

    def _record(self, layer, args, output):
        (a,) = args
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        self.calls.append((a.detach(), a._version, output))
        # A copy, because a module may go on to change its tensor in place.
        return output.clone()

    def inputs(self):
        """Return the recorded inputs.

        Raises
        ------
        RuntimeError
            If the layer was not called, or an input was overwritten since.
        """
        if not self.calls:
            raise RuntimeError(
                f"The chosen layer ({self.layer}) is never called as a module in the "
                "forward pass, so its gradient cannot be taken. Choose another "
                "layer=."
            )
        if any(a._version != version for a, version, _ in self.calls):
            raise RuntimeError(
                f"The input of the chosen layer ({self.layer}) is overwritten in place "
                "later in the forward pass. Choose another layer=."
            )
        return [a for a, _, _ in self.calls]

    def outputs(self):
        return [output for _, _, output in self.calls]


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
