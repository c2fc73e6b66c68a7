"""A frozen network of sounds in the form in which it runs: windows -> features."""

from typing import Any

import torch

from ._sequence_network import SequenceNetwork
from ._transfer import sent

# Numbers of input that go through the network together, where a sound has several
# windows.
_NUMBERS = {"cpu": 2**19}
_NUMBERS_ELSEWHERE = 2**23


class FramePooling:
    """Hidden states of a window -> one row.

    Parameters
    ----------
    mode : {"cls", "mean", "max"}
        "cls" is the mean of the class tokens, the others leave these out.
    layer : str or None
        The block whose hidden states are pooled; None is the model's end.
    n_class_tokens : int
        Tokens before those of the sound.
    """

    def __init__(self, mode: str, layer: str | None, n_class_tokens: int) -> None:
        self.pooling, self.layer = mode, layer
        self._n_class = n_class_tokens

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return rows (n, E), float32.

        Parameters
        ----------
        hidden : tensor of shape (n, E), (n, L, E) or (n, E, H, W)
            Rows, states of tokens, or maps.
        """
        hidden = hidden.float()
        if hidden.ndim == 4:
            hidden = hidden.flatten(2).mT
        if hidden.ndim != 3:
            return hidden
        if self.pooling == "cls":
            return hidden[:, : self._n_class].mean(1)
        hidden = hidden[:, self._n_class :]
        return hidden.amax(1) if self.pooling == "max" else hidden.mean(1)


class AudioNetwork(SequenceNetwork):
    """A frozen network, from windows of sounds to features.

    Views are float32 tensors (n, W, steps) or (n, W, steps, bands); the features of a
    sound are the mean of those of its W windows.
    """

    def normalize(self, windows: torch.Tensor) -> torch.Tensor:
        """Return windows on the device."""
        return sent(windows, self.device)

    def features(self, windows: torch.Tensor, hook: Any = None) -> torch.Tensor:
        """Return pooled features (n, E), float32.

        Parameters
        ----------
        windows : float32 tensor of shape (n, W, ...)
        hook : object, optional
            What :meth:`hooked` gave; without one the layer is hooked for this call.
            The caller chooses whether gradients are recorded.
        """
        n, n_windows = windows.shape[:2]
        numbers = _NUMBERS.get(self.device.type, _NUMBERS_ELSEWHERE)
        step = max(1, numbers // max(1, windows[:, 0].numel()))
        if n_windows <= step:
            return self._rows(windows.flatten(0, 1), hook).unflatten(0, (n, -1)).mean(1)
        parts = [
            self._rows(part.flatten(0, 1), hook).unflatten(0, (n, -1)).sum(1)
            for part in windows.split(step, dim=1)
        ]
        return torch.stack(parts).sum(0) / n_windows

    def _rows(self, x: torch.Tensor, hook: Any) -> torch.Tensor:
        return self.pooled(self.hidden(self.module, x, hook))
