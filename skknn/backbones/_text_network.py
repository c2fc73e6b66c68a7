"""A frozen encoder in the form in which it runs: token numbers -> pooled features."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ._hooks import StopHook
from ._tokens import NO_TOKEN


class TokenPooling:
    """Hidden states of tokens -> one row a text, padding left out.

    Parameters
    ----------
    modes : tuple of {"cls", "mean", "max"}
        Several are concatenated.
    layer : str or None
        The block whose hidden states are pooled; None is the model's end.
    """

    def __init__(self, modes: tuple[str, ...], layer: str | None) -> None:
        self.modes, self.layer = modes, layer

    @property
    def pooling(self) -> str:
        """The modes as one word."""
        return "+".join(self.modes)

    def __call__(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return rows (n, E) of hidden states (n, L, D) where ``mask`` (n, L) is set.

        Rows are pooled in float32.
        """
        hidden, found = hidden.float(), []
        inside = mask[..., None]
        for mode in self.modes:
            if mode == "cls":
                found.append(hidden[:, 0])
            elif mode == "max":
                found.append(hidden.masked_fill(~inside, -torch.inf).amax(1))
            else:
                total = hidden.masked_fill(~inside, 0).sum(1)
                found.append(total / mask.sum(1, keepdim=True))
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)


class TextNetwork:
    """A frozen encoder, from token numbers to features.

    Has the interface of :class:`~skknn.backbones._network.Network`: views are int32
    tensors (n, L) with ``NO_TOKEN`` behind the end of a text.

    Parameters
    ----------
    module : torch.nn.Module
    device : torch.device
    precision : {"float32", "bf16"}
    pooled : TokenPooling
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        device: torch.device,
        precision: str,
        pooled: TokenPooling,
    ) -> None:
        self.module, self.device, self.pooled = module, device, pooled
        self._autocast = precision == "bf16"

    @property
    def precision(self) -> torch.dtype:
        """The format of its products."""
        return torch.bfloat16 if self._autocast else torch.float32

    def normalize(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return token numbers (n, L) on the device."""
        return tokens.to(self.device, torch.int64)

    def features(self, tokens: torch.Tensor, hook: Any = None) -> torch.Tensor:
        """Return pooled features (n, E), float32.

        Parameters
        ----------
        tokens : int64 tensor of shape (n, L)
        hook : object, optional
            What :meth:`hooked` gave; without one the layer is hooked for this call.
            The caller chooses whether gradients are recorded.
        """
        mask = tokens != NO_TOKEN
        if hook is None and self.pooled.layer is not None:
            with self.hooked() as hook:
                return self.pooled(self._hidden(tokens, mask, hook), mask)
        return self.pooled(self._hidden(tokens, mask, hook), mask)

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

    def _hidden(
        self, tokens: torch.Tensor, mask: torch.Tensor, hook: StopHook | None
    ) -> torch.Tensor:
        arguments = {
            # Any token will do where the mask is not set.
            "input_ids": torch.where(mask, tokens, self._padding),
            "attention_mask": mask.long(),
        }
        with self.autocast():
            if hook is None:
                return _first(self.module(**arguments))
            return _first(hook.run(lambda _: self.module(**arguments), tokens))

    @property
    def _padding(self) -> int:
        """The number that tells models which count positions that there is no token."""
        config = getattr(self.module, "config", None)
        return getattr(config, "pad_token_id", None) or 0


def _first(output: Any) -> torch.Tensor:
    """Return the hidden states of a block's or a model's output."""
    if isinstance(output, torch.Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    return output[0] if hidden is None else hidden
