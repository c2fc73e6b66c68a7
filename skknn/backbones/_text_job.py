"""The work of an embedder on texts, as the extraction loop runs it."""

import numpy as np
import torch
from numpy.typing import NDArray

from ._pass_job import PassJob
from ._passes import by_length
from ._text_extractor import TextExtractor
from ._tokens import pad

# Texts that are sorted by length together, and rows that a killed run can lose.
_WINDOW = 1024
# Tokens in a pass: on a CPU what keeps a core's caches warm (benchmarks/text.py).
_TOKENS = {"cpu": 1024, "cuda": 2**15}
_TOKENS_ELSEWHERE = 2**14


def tokens_a_pass(device: torch.device) -> int:
    """Return how many tokens a forward pass holds, padding included."""
    return _TOKENS.get(device.type, _TOKENS_ELSEWHERE)


class TextJob(PassJob):
    """Texts -> embeddings: a :class:`~skknn.extraction._job.Job`.

    Texts of similar length go through the network together; padding has no part in
    their rows.

    Parameters
    ----------
    extractor : TextExtractor
    batch_size : int or "auto"
        Texts in one forward pass; "auto" is bounded by their tokens alone.
    """

    def __init__(
        self, extractor: TextExtractor, batch_size: int | str = "auto"
    ) -> None:
        self._texts = extractor
        self._n_texts = None if isinstance(batch_size, str) else batch_size
        super().__init__(extractor, max(_WINDOW, self._n_texts or 0))

    def prepare(
        self, item: str, missing: frozenset[str] | None = None
    ) -> NDArray[np.int32]:
        """Return the tokens of a text; ``missing`` is ignored, there is one block."""
        (tokens,) = self._texts.tokens_of([item])
        return tokens

    def passes(self, prepared: list[NDArray[np.int32]]) -> list[list[int]]:
        lengths = [len(tokens) for tokens in prepared]
        return by_length(lengths, self._n_texts, tokens_a_pass(self._texts.device))

    def stacked(self, prepared: list[NDArray[np.int32]]) -> torch.Tensor:
        return pad([[tokens] for tokens in prepared])[:, 0]
