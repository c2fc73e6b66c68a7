"""A frozen encoder with all it needs to turn texts into rows of features."""

import hashlib
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..utils._out_of_memory import is_out_of_memory
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._digest import module_digest
from ._frozen_extractor import FrozenExtractor
from ._layers import block_names, resolve_layer
from ._probe import sketch
from ._sequence_network import settings_of
from ._text_network import TextNetwork, TokenPooling
from ._tokens import Tokens, pad

# Raised whenever the same text and settings would give other numbers.
_FEATURES_VERSION = 1
# What networks are asked about: of different lengths, all kinds of signs.
_QUESTIONS = (
    "Which of the seven rivers, old as they are, still reaches the sea in 1984?",
    "no",
    "Ein Satz über Öl: 3.5 % (naïve) & more, again and again and again; x = y_2!",
)


class TextExtractor(FrozenExtractor):
    """A frozen backbone of texts: tokens, forward pass, one row a text.

    Parameters
    ----------
    module : torch.nn.Module
        A transformers encoder, frozen, in evaluation mode.
    tokens : Tokens
    pooling : tuple of str
        Modes of :class:`~skknn.backbones._text_network.TokenPooling`.
    layer : str, int or None
        An earlier block whose hidden states are pooled: name or number.
    device, precision : str, torch.device or None
        As in :class:`skknn.BackboneEmbedder`.

    Attributes
    ----------
    module, device, precision, layer, pooling
        As of every extractor.
    max_length : int
        Tokens that the model gets of a text.
    """

    modality = "text"

    def __init__(
        self,
        module: nn.Module,
        tokens: Tokens,
        *,
        pooling: tuple[str, ...],
        layer: str | int | None,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        if layer is not None:
            layer = resolve_layer(module, layer, block_names(module))
        super().__init__(module, device=device, precision=precision)
        self.layer = layer
        self._tokens = tokens
        self._pooled = TokenPooling(pooling, layer)
        self.pooling, self.max_length = self._pooled.pooling, tokens.max_length

    def tokens_of(self, texts: Collection[str]) -> list[NDArray[np.int32]]:
        """Return the tokens of the views of one text; a cut counts once."""
        found = [self._tokens(text) for text in texts]
        if any(cut for _, cut in found):
            self._count_shortened()
        return [tokens for tokens, _ in found]

    def network(self, keep: Collection[str] = ()) -> TextNetwork:
        """Return the backbone as it runs; ``keep`` is of use to images alone."""
        return TextNetwork(
            self.module,
            device=self.device,
            precision=self.precision,
            pooled=self._pooled,
        )

    def questions(self, n: int) -> list[str]:
        """Return the first ``n`` fixed texts that networks are asked about."""
        return list(_QUESTIONS[:n])

    def identity(self) -> dict[str, Any]:
        """Return what a row depends on besides the text, as plain JSON.

        What cannot be written down shows in what it answers to :meth:`questions`.
        """
        import tokenizers
        import transformers

        config = getattr(self.module, "config", None)
        tokens = self._tokens.identity().encode()
        return {
            "features": f"skknn text embedding {_FEATURES_VERSION}",
            "module": module_digest(self.module),
            "config": "" if config is None else settings_of(config),
            "tokenizer": hashlib.blake2b(tokens, digest_size=20).hexdigest(),
            "max_length": self.max_length,
            "pooling": self.pooling,
            "layer": self.layer,
            "precision": self.precision,
            "device": self.device.type,
            "versions": {
                "tokenizers": tokenizers.__version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
            },
            "switches": {"oneDNN": bool(torch.backends.mkldnn.enabled)},
        }

    def _ask(self) -> NDArray[np.float32]:
        network = self.network()
        tokens, _ = self._tokens(" ".join(_QUESTIONS))
        with exact_float32(), single_threaded_torch(self.device.type == "cpu"):
            try:
                with torch.inference_mode():
                    rows = network.features(network.normalize(pad([[tokens]])[0]))
            except (RuntimeError, IndexError, TypeError) as error:
                if is_out_of_memory(error):
                    raise
                raise ValueError(
                    f"The backbone cannot process texts ({error}). Pass a transformers "
                    "encoder of texts, or another layer."
                ) from error
        self.check_rows(rows, 1)
        return sketch(rows.cpu().numpy()[0])
