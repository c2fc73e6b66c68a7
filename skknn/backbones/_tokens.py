"""Texts -> token numbers, cut to what the model takes; cuts are counted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..utils._locks import ForkSafeLock

#: Stands in a batch where a shorter text has no token.
NO_TOKEN = -1


class Tokens:
    """A tokenizer that threads share.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    max_length : int
        Tokens of a text, those that begin and end it included.

    Attributes
    ----------
    max_length : int
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._lock = ForkSafeLock()
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        if self._fast is not None:
            self._fast.no_padding()
            self._fast.enable_truncation(max_length)

    def __call__(self, text: str) -> tuple[NDArray[np.int32], bool]:
        """Return the tokens of a text, and whether it had more."""
        if self._fast is not None:
            encoding = self._fast.encode(text)
            found, cut = encoding.ids, bool(encoding.overflowing)
        else:
            # Tokenizers in Python promise nothing to threads.
            with self._lock.held:
                found = self._tokenizer(text)["input_ids"]
                cut = len(found) > self.max_length
                if cut:
                    found = self._tokenizer(
                        text, truncation=True, max_length=self.max_length
                    )["input_ids"]
        return np.asarray(found, dtype=np.int32), cut

    def identity(self) -> str:
        """Return all that can be written down of the tokenizer."""
        if self._fast is not None:
            return self._fast.to_str()
        return repr((self._tokenizer, sorted(self._tokenizer.get_vocab().items())))


def pad(rows: Sequence[Sequence[NDArray[np.int32]]]) -> torch.Tensor:
    """Put the tokens of texts below each other, in int32.

    Parameters
    ----------
    rows : list of list of ndarray of int32
        n items of V texts each.

    Returns
    -------
    tensor of shape (n, V, L)
        With ``NO_TOKEN`` behind the end of shorter texts.
    """
    longest = max(len(tokens) for row in rows for tokens in row)
    padded = np.full((len(rows), len(rows[0]), longest), NO_TOKEN, dtype=np.int32)
    for row, places in zip(rows, padded):
        for tokens, place in zip(row, places):
            place[: len(tokens)] = tokens
    return torch.from_numpy(padded)
