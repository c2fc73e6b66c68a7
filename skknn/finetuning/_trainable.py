"""Which parts of a network learn, and what its normalisations do meanwhile."""

import difflib
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..backbones._layers import layer_names

Trainable = str | int | Sequence[str]


class TrainableParts:
    """The parameters of a module that learn.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in what its parameters require and in its modes, by the methods alone.
    trainable : "all", int or sequence of str
        As in :class:`skknn.FineTunedJointClassifier`.
    batch_norm : {"frozen", "update"}
        Whether batch normalisations keep their running statistics.

    Attributes
    ----------
    names : list of str
        Full names of the parameters.

    Raises
    ------
    ValueError
        If there are no such parts.
    """

    def __init__(
        self, module: nn.Module, trainable: Trainable, batch_norm: str
    ) -> None:
        self._module, self._batch_norm = module, batch_norm
        self.names = _parameter_names(module, trainable)

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters that learn, in the module's order."""
        wanted = set(self.names)
        return [p for name, p in self._module.named_parameters() if name in wanted]

    def start_learning(self) -> None:
        """Let gradients flow to these parts, which drop out and count as in training.

        All others behave as in evaluation.
        """
        wanted = set(self.names)
        self.stop_learning()
        for name, parameter in self._module.named_parameters():
            parameter.requires_grad_(name in wanted)
        for name, part in self._module.named_modules():
            prefix = f"{name}." if name else ""
            inside = [prefix + n for n, _ in part.named_parameters()]
            if inside and wanted.issuperset(inside):
                part.train()
        if self._batch_norm == "frozen":
            for part in self._module.modules():
                if isinstance(part, _BatchNorm):
                    part.eval()

    def stop_learning(self) -> None:
        """Freeze all, as a backbone that gives features is."""
        self._module.eval().requires_grad_(False)


def _parameter_names(module: nn.Module, trainable: Trainable) -> list[str]:
    every = [name for name, _ in module.named_parameters()]
    if isinstance(trainable, str):
        if trainable == "all":
            return every
        trainable = [trainable]
    if isinstance(trainable, Sequence):
        return _named(module, every, trainable)
    blocks = layer_names(module)
    if trainable > len(blocks):
        raise ValueError(
            f"trainable={trainable}: the backbone has {len(blocks)} blocks "
            f"({', '.join(blocks)}). Use at most as many, or 'all', with which what "
            "comes before the blocks learns too."
        )
    if trainable == 0:
        return []
    # What is after the last block (normalisation, a last convolution) was registered
    # after it; class token and position embeddings were before.
    learning = tuple(f"{block}." for block in blocks[-trainable:])
    first = next((i for i, n in enumerate(every) if n.startswith(learning)), len(every))
    return every[first:]


def _named(module: nn.Module, every: list[str], parts: Sequence[str]) -> list[str]:
    known = [name for name, _ in module.named_modules() if name]
    for part in parts:
        if part not in known and part not in every:
            near = difflib.get_close_matches(part, [*known, *every], n=3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(
                f"trainable: {part!r} is no part of the backbone.{hint} Its blocks are "
                f"{', '.join(layer_names(module))}; parts of them and parameters can "
                "be named too, and 'all' means everything."
            )
    wanted = tuple(f"{part}." for part in parts)
    return [name for name in every if name in parts or name.startswith(wanted)]
