"""Hooks on one part of a module: stop there, or cut the autograd graph there.

A hook is there only within ``with hook.on(part):``, and sees the calls of the threads
that use it alone: several runs may hook the same part at the same time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import torch
from torch import nn

_Result = TypeVar("_Result")


class _Stop(Exception):
    pass


class StopHook:
    """Run a module up to one of its parts and take what that part gets or gives.

    Parameters
    ----------
    name : str
        The part's, for messages.
    what : {"input", "output"}
    """

    def __init__(self, name: str, what: Literal["input", "output"]) -> None:
        self._name, self._what = name, what
        self._seen = threading.local()

    @contextmanager
    def on(self, part: nn.Module) -> Iterator[None]:
        """Hook a part; unhook it at the end, also after an error."""
        if self._what == "input":
            handle = part.register_forward_pre_hook(self._take_input)
        else:
            handle = part.register_forward_hook(self._take_output)
        try:
            yield
        finally:
            handle.remove()

    def run(self, module: Callable[[torch.Tensor], Any], x: torch.Tensor) -> Any:
        """Return what the hooked part is given or gives when ``module`` gets ``x``.

        Raises
        ------
        ValueError
            If it is never called.
        """
        self._seen.on, self._seen.value = True, None
        try:
            module(x)
        except _Stop:
            return self._seen.value
        finally:
            self._seen.on, self._seen.value = False, None
        raise ValueError(
            f"layer={self._name!r} is never run by the backbone. Name another one."
        )

    def _take_input(self, part: nn.Module, args: tuple) -> None:
        self._take(args[0])

    def _take_output(self, part: nn.Module, args: tuple, output: Any) -> None:
        self._take(output)

    def _take(self, value: Any) -> None:
        if getattr(self._seen, "on", False):
            self._seen.value = value
            raise _Stop


class GraphHook:
    """Record the calls of one layer and begin autograd's graph at its outputs.

    No parameter of a frozen module asks for gradients, so autograd records nothing
    until the layer's first output, which is made a leaf here.

    Parameters
    ----------
    name : str
        The layer's, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen = threading.local()

    @contextmanager
    def on(self, layer: nn.Module) -> Iterator[None]:
        """Hook a layer; unhook it at the end, also after an error."""
        handle = layer.register_forward_hook(self._record)
        try:
            yield
        finally:
            handle.remove()

    def run(
        self, forward: Callable[[torch.Tensor], _Result], x: torch.Tensor
    ) -> tuple[_Result, list[torch.Tensor], list[torch.Tensor]]:
        """Return ``forward(x)`` and the hooked layer's inputs and outputs in it.

        Nothing is recorded where gradients are switched off.

        Raises
        ------
        RuntimeError
            If the layer was not called, or an input was overwritten since.
        """
        if not torch.is_grad_enabled():
            return forward(x), [], []
        calls: list[tuple[torch.Tensor, int, torch.Tensor]] = []
        self._seen.calls = calls
        try:
            embeddings = forward(x)
        finally:
            self._seen.calls = None
        if not calls:
            raise RuntimeError(
                f"layer={self._name!r} is never called as a module in the forward "
                "pass, so its gradient cannot be taken. Choose another layer=."
            )
        if any(a._version != version for a, version, _ in calls):
            raise RuntimeError(
                f"The input of layer={self._name!r} is overwritten in place later in "
                "the forward pass. Choose another layer=."
            )
        return embeddings, [a for a, _, _ in calls], [out for _, _, out in calls]

    def _record(self, layer: nn.Module, args: tuple, output: torch.Tensor) -> Any:
        calls = getattr(self._seen, "calls", None)
        if calls is None:
            return None
        (a,) = args
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        calls.append((a.detach(), a._version, output))
        # A copy, because a module may go on to change its tensor in place.
        return output.clone()
