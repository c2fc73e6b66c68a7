"""See which layers of a module feed which, by running it once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def connections(
    module: nn.Module,
    forward: Callable[[nn.Module, torch.Tensor], Any],
    x: torch.Tensor,
    sources: tuple[type[nn.Module], ...],
    targets: tuple[type[nn.Module], ...],
) -> tuple[list[tuple[str, str]], dict[str, torch.Size]]:
    """List the direct connections from some kinds of layers to others.

    Parameters
    ----------
    module : torch.nn.Module
    forward : callable
        (module, x) -> anything.
    x : tensor
    sources, targets : tuple of types
        Layers of exactly these types (sources) or instances of them (targets).

    Returns
    -------
    pairs : list of (source name, target name)
        The output of the one, unchanged, is the input of the other, and each runs
        once. Meaningful outside inference mode only, where tensors count changes.
    shapes : dict source name -> shape of its input
    """
    outputs: dict[int, tuple[str, torch.Tensor, int]] = {}
    runs: dict[str, int] = {}
    inputs: dict[str, list[str | None]] = {}
    shapes: dict[str, torch.Size] = {}
    handles = []

    def after_source(name: str) -> Callable:
        def hook(part: nn.Module, args: tuple, output: torch.Tensor) -> None:
            runs[name] = runs.get(name, 0) + 1
            shapes[name] = args[0].shape
            # Holding the tensor keeps its id from being used again.
            outputs[id(output)] = (name, output, output._version)

        return hook

    def before_target(name: str) -> Callable:
        def hook(part: nn.Module, args: tuple) -> None:
            source, tensor, version = outputs.get(id(args[0]), (None, None, None))
            # A residual may have been added in place since.
            unchanged = tensor is not None and tensor._version == version
            inputs.setdefault(name, []).append(source if unchanged else None)

        return hook

    for name, part in module.named_modules():
        if type(part) in sources:
            handles.append(part.register_forward_hook(after_source(name)))
        elif isinstance(part, targets):
            handles.append(part.register_forward_pre_hook(before_target(name)))
    try:
        forward(module, x)
    finally:
        for handle in handles:
            handle.remove()
    pairs = [
        (source, name)
        for name, (source, *more) in inputs.items()
        if source is not None and not more and runs[source] == 1
    ]
    return pairs, shapes


def replace(module: nn.Module, name: str, part: nn.Module) -> None:
    """Put another layer in the place of the one with this name."""
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent) if parent else module, child, part)
