"""Sounds -> the windows of their views, for the blocks that are wanted."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones import AudioExtractor, FrozenExtractor
from ..backbones._audio_job import numbers_a_pass, sounds_together
from ..backbones._passes import by_shape
from ..backbones._probe import ROUNDING, folded
from ..modalities import Sound
from ..utils._behaviour import Answer
from ._cutter import LoadedViews
from ._sequence_cutter import SequenceCutter
from ._state import EMBEDDING, FungiState
from ._view_group import ViewGroup
from .views import SoundFrame

# Into how many parts sounds that are sorted together are cut at least, so that threads
# have one each.
_PARTS = 4
# Numbers of the views of a part that is computed together, and gradients of it until
# they are projected.
_NUMBERS_A_PART, _GRADIENT_BYTES = 2**23, 2**26
# Views of one sound in a forward pass, where it has more.
_VIEWS_ON_CPU, _VIEWS = 4, 16


@dataclass(frozen=True)
class CutSound:
    """One sound as it waits for the network; its views are made when it is its turn.

    Attributes
    ----------
    wanted : frozenset of str
        Keys of views.
    blocks : frozenset of str
        What the views are for.
    sound : Sound
    windows : ndarray of shape (W, ...), float32
    """

    wanted: frozenset[str]
    blocks: frozenset[str]
    sound: Sound
    windows: NDArray[np.float32]


class SoundCutter(SequenceCutter):
    """Makes windows of sounds in threads, and of these the views.

    Parameters
    ----------
    extractor : AudioExtractor
    state : FungiState
    batch_size : int or None

    Attributes
    ----------
    frame : SoundFrame
    plain, in_passes
        As of every cutter.
    """

    frame: SoundFrame
    view_kind = "an array like frame.inputs(sound)"

    def __init__(
        self, extractor: FrozenExtractor, state: FungiState, batch_size: int | None
    ) -> None:
        assert isinstance(extractor, AudioExtractor)
        super().__init__(extractor, state, batch_size, SoundFrame(extractor.front_end))
        self._sounds, self._batch_size = extractor, batch_size

    def cut(
        self, item: Sound, wanted: Collection[str], on_device: bool = False
    ) -> CutSound:
        keys = frozenset(map(self.key, wanted))
        item = self._with_rate(item)
        return CutSound(keys, frozenset(wanted), item, self._sounds.inputs(item))

    def stacked(self, items: list[CutSound], key: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._windows(item, key) for item in items]))

    def groups(
        self, name: str, loaded: LoadedViews, n_views: int
    ) -> Iterator[ViewGroup]:
        rows, parts = loaded.views.get(self.key(name), ([], []))
        if not rows:
            return
        (windows,) = parts
        at_once = numbers_a_pass(self._sounds.device) // max(1, windows[0].numel())
        at_once = max(1, min(at_once, self._batch_size or at_once))
        for start in range(0, len(rows), at_once):
            yield ViewGroup([windows[start : start + at_once]])

    def is_view(self, view: object) -> bool:
        return isinstance(view, list) or hasattr(view, "__array__")

    def views_a_forward(self) -> int:
        return _VIEWS_ON_CPU if self._sounds.device.type == "cpu" else _VIEWS

    def items_at_once(self, names: Collection[str], gradient_size: int) -> int:
        return sounds_together(self._sounds.front_end)

    def passes(self, items: Sequence[CutSound], gradient_size: int) -> list[list[int]]:
        n_gradients = max(1, len(self._state.objectives))
        fitting = _GRADIENT_BYTES // (4 * gradient_size * n_gradients)
        n_items = max(1, min(fitting, -(-len(items) // _PARTS)))
        n_views = max(
            (self.n_views(key) for item in items for key in item.wanted), default=1
        )
        shapes = [item.windows.shape for item in items]
        return by_shape(shapes, n_items, max(1, _NUMBERS_A_PART // n_views))

    def shown(self, item: Sound, name: str) -> list[NDArray]:
        item = self._with_rate(item)
        cut = CutSound(frozenset(), frozenset(), item, self.frame.inputs(item))
        windows = self._windows(cut, self.key(name))
        # Sounds have windows of different shapes, which no one array holds.
        found = np.empty(len(windows), dtype=object)
        for i, each in enumerate(windows):
            found[i] = each
        return [found]

    def answers(self, views: list[torch.Tensor]) -> list[Answer]:
        rows = [view[0].flatten(1).cpu().numpy() for view in views]
        return [
            Answer(np.stack([folded(row) for row in part]), ROUNDING["float32"])
            for part in rows
        ]

    def _with_rate(self, sound: Sound) -> Sound:
        """Say the rate of samples that came without, so that their views are drawn as
        those of a file or pair with it."""
        if sound.rate is not None:
            return sound
        return replace(sound, rate=self._sounds.front_end.rate)

    def _windows(self, item: CutSound, key: str) -> NDArray[np.float32]:
        """The views of a sound: (V, W, ...)."""
        if key == EMBEDDING:
            return item.windows[None]
        views = self.views_of(item.sound, key)
        shapes = {np.shape(view) for view in views}
        if shapes != {item.windows.shape}:
            kind = type(self._state.objectives[key]).__name__
            raise ValueError(
                f"{kind}.views gave windows of shape "
                f"{', '.join(map(str, sorted(shapes)))}, and the network takes "
                f"{item.windows.shape} of this sound. Begin with frame.inputs(sound), "
                "and keep its shape."
            )
        return np.stack([np.asarray(view, dtype=np.float32) for view in views])
