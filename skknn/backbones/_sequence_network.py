"""What frozen networks of sequences share: precision, and layers to stop at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ._hooks import StopHook


class SequenceNetwork:
    """Base of the networks of texts and sounds.

    They have the interface of :class:`~skknn.backbones._network.Network`.

    Parameters
    ----------
    module : torch.nn.Module
    device : torch.device
    precision : {"float32", "bf16"}
    pooled : object
        Pools hidden states; has attributes ``layer`` and ``pooling``.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        device: torch.device,
        precision: str,
        pooled: Any,
    ) -> None:
        self.module, self.device, self.pooled = module, device, pooled
        self._autocast = precision == "bf16"

    @property
    def precision(self) -> torch.dtype:
        """The format of its products."""
        return torch.bfloat16 if self._autocast else torch.float32

    @contextmanager
    def hooked(self) -> Iterator[StopHook | None]:
        """Hook the layer whose output is pooled, if any, for many calls."""
        layer = self.pooled.layer
        if layer is None:
            yield None
            return
        hook = StopHook(layer, "output")
        with hook.on(self.module.get_submodule(layer)):
            yield hook

    def autocast(self) -> torch.autocast:
        """Return the context in which the module has the wanted precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast)

    def hidden(
        self,
        forward: Callable[[torch.Tensor], Any],
        x: torch.Tensor,
        hook: StopHook | None,
    ) -> torch.Tensor:
        """Return the hidden states that are pooled: the layer's, or the model's last.

        Parameters
        ----------
        forward : callable
            Calls the module on ``x``.
        x : tensor
        hook : StopHook or None
            What :meth:`hooked` gave; None hooks the layer, if any, for this call.
        """
        if hook is None and self.pooled.layer is not None:
            with self.hooked() as own:
                return self.hidden(forward, x, own)
        with self.autocast():
            return _first(forward(x) if hook is None else hook.run(forward, x))


def _first(output: Any) -> torch.Tensor:
    """Return the hidden states of a block's or a model's output."""
    if isinstance(output, torch.Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    return output[0] if hidden is None else hidden


def settings_of(config: Any) -> str:
    """Return a transformers configuration as text, without where it lay."""
    written = {
        key: value
        for key, value in config.to_dict().items()
        if key not in ("_name_or_path", "transformers_version")
    }
    return repr(sorted((key, repr(value)) for key, value in written.items()))
