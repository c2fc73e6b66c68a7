"""A frozen encoder in the form in which it runs: token numbers -> pooled features."""

from typing import Any

import torch

from ._sequence_network import SequenceNetwork
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


class TextNetwork(SequenceNetwork):
    """A frozen encoder, from token numbers to features.

    Views are int32 tensors (n, L) with ``NO_TOKEN`` behind the end of a text.
    """

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
        arguments = {
            # Any token will do where the mask is not set.
            "input_ids": torch.where(mask, tokens, self._padding),
            "attention_mask": mask.long(),
        }
        hidden = self.hidden(lambda _: self.module(**arguments), tokens, hook)
        return self.pooled(hidden, mask)

    @property
    def _padding(self) -> int:
        """The number that tells models which count positions that there is no token."""
        config = getattr(self.module, "config", None)
        return getattr(config, "pad_token_id", None) or 0
