"""The work of an embedder on sounds, as the extraction loop runs it."""

import numpy as np
import torch
from numpy.typing import NDArray

from ..modalities import Sound
from ._audio_extractor import AudioExtractor
from ._front_ends import FrontEnd
from ._pass_job import PassJob
from ._passes import by_shape

# Sounds that are sorted together, and rows that a killed run can lose: at least, at
# most, and by the bytes of their inputs, twice which wait at a time.
_LEAST, _MOST, _WAITING = 8, 64, 2**28
# Numbers of input in a pass: a second of speech is 4,000 of mel bands and 16,000 of
# samples.
_NUMBERS = {"cpu": 2**17, "cuda": 2**22}
_NUMBERS_ELSEWHERE = 2**21


def sounds_together(front_end: FrontEnd) -> int:
    """Return how many sounds are sorted together."""
    waiting = _WAITING // (4 * front_end.most_numbers)
    return max(_LEAST, min(_MOST, waiting))


def numbers_a_pass(device: torch.device) -> int:
    """Return how many numbers of input a forward pass takes."""
    return _NUMBERS.get(device.type, _NUMBERS_ELSEWHERE)


class AudioJob(PassJob):
    """Sounds -> embeddings: a :class:`~skknn.extraction._job.Job`.

    Sounds of equal length go through the network together; nothing is padded beyond
    what the front end does for a sound alone.

    Parameters
    ----------
    extractor : AudioExtractor
    batch_size : int or "auto"
        Sounds in one forward pass; "auto" is bounded by their lengths alone.
    """

    def __init__(
        self, extractor: AudioExtractor, batch_size: int | str = "auto"
    ) -> None:
        self._sounds = extractor
        self._n_sounds = None if isinstance(batch_size, str) else batch_size
        usual = sounds_together(extractor.front_end)
        super().__init__(extractor, max(usual, self._n_sounds or 0))

    def prepare(
        self, item: Sound, missing: frozenset[str] | None = None
    ) -> NDArray[np.float32]:
        """Return the windows of a sound; ``missing`` is ignored, there is one block."""
        return self._sounds.inputs(item)

    def passes(self, prepared: list[NDArray[np.float32]]) -> list[list[int]]:
        shapes = [windows.shape for windows in prepared]
        return by_shape(shapes, self._n_sounds, numbers_a_pass(self._sounds.device))

    def stacked(self, prepared: list[NDArray[np.float32]]) -> torch.Tensor:
        return torch.from_numpy(np.stack(prepared))
