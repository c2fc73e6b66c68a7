"""The work of an embedder on texts, as the extraction loop runs it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._passes import LaunchedPasses, PassRunner, by_length
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


class TextJob:
    """Texts -> embeddings: a :class:`~skknn.extraction._job.Job`.

    Texts of similar length go through the network together; padding has no part in
    their rows.

    Parameters
    ----------
    extractor : TextExtractor
    batch_size : int or "auto"
        Texts in one forward pass; "auto" is bounded by their tokens alone.

    Attributes
    ----------
    width, batch_size, computes_in_workers
        As the extraction loop needs them.
    """

    computes_in_workers = False

    def __init__(
        self, extractor: TextExtractor, batch_size: int | str = "auto"
    ) -> None:
        self._extractor = extractor
        self._n_texts = None if isinstance(batch_size, str) else batch_size
        self.batch_size = max(_WINDOW, self._n_texts or 0)
        self._network: Any = None
        self._hook: Any = None
        self._passes: PassRunner | None = None

    @property
    def width(self) -> int:
        """Length of a row; runs a text where none has been run yet."""
        return self._extractor.n_features

    @contextmanager
    def running(self, n_threads: int = 1) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        Parameters
        ----------
        n_threads : int
            That compute, on a CPU.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`prepare`.
        """
        network = self._extractor.network()
        with (
            exact_float32(),
            single_threaded_torch() as start_thread,
            network.hooked() as hook,
            PassRunner(self._extractor.device, n_threads, start_thread) as passes,
        ):
            self._network, self._hook, self._passes = network, hook, passes
            try:
                yield start_thread
            finally:
                self._network = self._hook = self._passes = None

    def prepare(
        self, item: str, missing: frozenset[str] | None = None
    ) -> NDArray[np.int32]:
        """Return the tokens of a text; ``missing`` is ignored, there is one block."""
        (tokens,) = self._extractor.tokens_of([item])
        return tokens

    def launch(self, prepared: list[NDArray[np.int32]]) -> LaunchedPasses:
        """Start to compute the rows of texts."""
        if self._passes is None:
            raise RuntimeError("Texts are embedded within `with job.running():`.")
        n_tokens = tokens_a_pass(self._extractor.device)
        passes = by_length(
            [len(tokens) for tokens in prepared], self._n_texts, n_tokens
        )
        return self._passes.launch(
            len(prepared),
            passes,
            lambda chosen: self._forward([prepared[i] for i in chosen]),
        )

    def collect(self, launched: LaunchedPasses) -> NDArray[np.float32]:
        """Wait for rows (n, width), float32."""
        return launched.wait()

    def _forward(self, texts: list[NDArray[np.int32]]) -> torch.Tensor:
        network = self._network
        with torch.inference_mode():
            tokens = network.normalize(pad([[tokens] for tokens in texts])[:, 0])
            rows = network.features(tokens, self._hook)
        self._extractor.check_rows(rows, len(texts))
        return rows
