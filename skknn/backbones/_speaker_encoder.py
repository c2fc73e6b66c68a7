"""The speaker encoder whose weights the pip package resemblyzer carries.

The package is not imported, because it wants more packages than its network needs.
"""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from ..utils._optional import pip_install

PACKAGE = "resemblyzer"
_BANDS, _WIDTH, _N_LAYERS = 40, 256, 3


class SpeakerEncoder(nn.Module):
    """Three LSTMs over mel bands, and a linear layer of their last state [1]_.

    References
    ----------
    .. [1] L. Wan, Q. Wang, A. Papir, I. Lopez Moreno, "Generalized End-to-End Loss for
       Speaker Verification", ICASSP 2018. https://arxiv.org/abs/1710.10467
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, _WIDTH, _N_LAYERS, batch_first=True)
        self.linear = nn.Linear(_WIDTH, _WIDTH)
        self.relu = nn.ReLU()

    def forward(self, bands: torch.Tensor) -> torch.Tensor:
        """Return rows of length 1 (n, 256) of powers (n, frames, 40)."""
        _, (last, _) = self.lstm(bands)
        rows = self.relu(self.linear(last[-1]))
        return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)


def load_speaker_encoder() -> nn.Module:
    """Return the encoder with the weights of the package, frozen.

    Raises
    ------
    OSError
        If the package is not installed.
    ValueError
        If its file is not as it was.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise OSError(
            f"No weights for model={PACKAGE!r}: the package that carries them is not "
            f"installed. Install it with {pip_install('audio')}, or, where its own "
            f"dependencies cannot be built, pip install --no-deps {PACKAGE}; or pass "
            "the folder of another model."
        )
    file = Path(spec.origin).parent / "pretrained.pt"
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        encoder = SpeakerEncoder()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
        own = encoder.state_dict()
        encoder.load_state_dict({name: state[name] for name in own})
    except Exception as error:
        raise ValueError(
            f"The weights in {str(file)!r} cannot be used ({type(error).__name__}: "
            f"{error}). Install resemblyzer 0.1.4 anew."
        ) from error
    return encoder.eval().requires_grad_(False)
