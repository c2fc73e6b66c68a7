"""Texts -> the tokens of their views, for the blocks that are wanted."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones import FrozenExtractor, TextExtractor
from ..backbones._passes import fill_passes
from ..backbones._text_job import tokens_a_pass
from ..backbones._tokens import NO_TOKEN, pad
from ..utils._behaviour import Answer
from ._cutter import LoadedViews
from ._sequence_cutter import SequenceCutter
from ._state import EMBEDDING, FungiState
from ._view_group import ViewGroup, distinct_views
from .views import TextFrame

# Texts that are sorted together, without views of their own and with them, and of those
# the most that are computed and projected together. Few in a part: projecting costs
# more than the gradients; many: threads wait for the one with the longest texts, hence
# a limit of so many forward passes, too. With views, a few texts fill those.
_WINDOW, _WINDOW_OF_VIEWS = 1024, 512
_MOST, _PASSES, _PASSES_OF_VIEWS = 128, 4, 8
# Gradients of a part, until they are projected together.
_GRADIENT_BYTES = 2**27
# Views of one text in a forward pass, where it has more.
_VIEWS = 32


@dataclass(frozen=True)
class CutText:
    """One text as it waits for the network.

    Attributes
    ----------
    wanted : frozenset of str
        Keys of views.
    blocks : frozenset of str
        What the views are for.
    views : dict key -> list of ndarray of int32
        Tokens of each view.
    """

    wanted: frozenset[str]
    blocks: frozenset[str]
    views: dict[str, list[NDArray[np.int32]]]

    @property
    def size(self) -> tuple[int, int]:
        """The most distinct views that any key has, and the tokens of the longest."""
        most = max(len(found) for found in self._distinct)
        return most, max(map(len, chain.from_iterable(self.views.values())))

    @property
    def n_tokens(self) -> int:
        """Tokens of all distinct views."""
        return sum(view.size for found in self._distinct for view in found.values())

    @property
    def _distinct(self) -> list[dict[bytes, NDArray[np.int32]]]:
        return [
            {view.tobytes(): view for view in views} for views in self.views.values()
        ]


class TextCutter(SequenceCutter):
    """Cuts views and makes tokens of them, in threads.

    Parameters
    ----------
    extractor : TextExtractor
    state : FungiState
    batch_size : int or None

    Attributes
    ----------
    frame : TextFrame
    plain, in_passes
        As of every cutter.
    """

    frame: TextFrame
    view_kind = "a text (str)"

    def __init__(
        self, extractor: FrozenExtractor, state: FungiState, batch_size: int | None
    ) -> None:
        assert isinstance(extractor, TextExtractor)
        super().__init__(extractor, state, batch_size, TextFrame(extractor.max_length))
        self._extractor, self._batch_size = extractor, batch_size
        self._n_tokens = tokens_a_pass(extractor.device)

    def cut(
        self, item: str, wanted: Collection[str], on_device: bool = False
    ) -> CutText:
        keys = frozenset(map(self.key, wanted))
        texts = {key: self._views(item, key) for key in sorted(keys)}
        # All at once, so that a text that is cut is counted once.
        tokens = self._extractor.tokens_of([t for each in texts.values() for t in each])
        views, start = {}, 0
        for key, each in texts.items():
            views[key] = tokens[start : start + len(each)]
            start += len(each)
        return CutText(keys, frozenset(wanted), views)

    def stacked(self, items: list[CutText], key: str) -> torch.Tensor:
        return pad([item.views[key] for item in items])

    def groups(
        self, name: str, loaded: LoadedViews, n_views: int
    ) -> Iterator[ViewGroup]:
        rows, parts = loaded.views.get(self.key(name), ([], []))
        if not rows:
            return
        (tokens,) = parts
        lengths = (tokens != NO_TOKEN).any(1).sum(1).tolist()
        counts = distinct_views(tokens).counts
        sizes = list(zip(counts, lengths))
        for some in fill_passes(sizes, self._batch_size, self._n_tokens):
            longest = max(lengths[i] for i in some)
            yield distinct_views(tokens[some.start : some.stop, :, :longest])

    def is_view(self, view: object) -> bool:
        return isinstance(view, str)

    def views_a_forward(self) -> int:
        return _VIEWS

    def items_at_once(self, names: Collection[str], gradient_size: int) -> int:
        plain = set(map(self.key, names)) <= {EMBEDDING}
        return _WINDOW if plain else _WINDOW_OF_VIEWS

    def passes(self, items: Sequence[CutText], gradient_size: int) -> list[list[int]]:
        n_gradients = max(1, len(self._state.objectives))
        fitting = max(1, _GRADIENT_BYTES // (4 * gradient_size * n_gradients))
        plain = all(item.wanted <= {EMBEDDING} for item in items)
        most = (_PASSES if plain else _PASSES_OF_VIEWS) * self._n_tokens
        sizes, n_tokens = zip(*((item.size, item.n_tokens) for item in items))
        parts: list[list[int]] = []
        left = 0
        for i in sorted(range(len(items)), key=sizes.__getitem__, reverse=True):
            if not parts or len(parts[-1]) == min(_MOST, fitting) or n_tokens[i] > left:
                parts.append([])
                left = most
            parts[-1].append(i)
            left -= n_tokens[i]
        return parts

    def shown(self, item: str, name: str) -> list[NDArray]:
        return [np.array(self._views(item, self.key(name)), dtype=object)]

    def answers(self, views: list[torch.Tensor]) -> list[Answer]:
        # Tokens are whole numbers: other ones are other views.
        return [Answer(view[0].float().cpu().numpy(), 0.0) for view in views]

    def _views(self, text: str, key: str) -> list[str]:
        """The views of a text, as many as every text has."""
        return [text] if key == EMBEDDING else self.views_of(text, key)
