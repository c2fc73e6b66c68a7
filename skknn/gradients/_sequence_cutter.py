"""What the cutters of texts and sounds share: equally many views of every item."""

from typing import Any

import torch

from ..backbones import FrozenExtractor
from ._cutter import Cutter, LoadedViews
from ._state import EMBEDDING, FungiState


class SequenceCutter(Cutter):
    """Base of the cutters of items of different lengths.

    Parameters
    ----------
    extractor : FrozenExtractor
    state : FungiState
    batch_size : int or None
    frame : object
        What objectives are told of the model.

    Attributes
    ----------
    frame : object
    plain, in_passes
        As of every cutter.
    """

    in_passes = True
    view_kind: str  # What one view is, for messages.

    def __init__(
        self,
        extractor: FrozenExtractor,
        state: FungiState,
        batch_size: int | None,
        frame: Any,
    ) -> None:
        super().__init__(extractor, state, batch_size)
        self.frame = frame
        self._unit = extractor.modality
        (self._example,) = extractor.questions(1)
        self._counts: dict[str, int] = {}

    def load(self, items: list[Any]) -> LoadedViews:
        views = {}
        for key in sorted(frozenset().union(*(item.wanted for item in items))):
            rows = [i for i, item in enumerate(items) if key in item.wanted]
            views[key] = rows, [self.stacked([items[i] for i in rows], key)]
        blocks = frozenset().union(*(item.blocks for item in items))
        return LoadedViews(len(items), blocks, views)

    def stacked(self, items: list[Any], key: str) -> torch.Tensor:
        """Return the views of a key of items that have it, as :meth:`load` keeps them.

        Parameters
        ----------
        items : list
            Of what :meth:`cut` gave, with attributes ``wanted`` (keys of views) and
            ``blocks`` (what they are for).
        key : str
        """
        raise NotImplementedError

    def is_view(self, view: Any) -> bool:
        """Tell whether an objective's view is of the right kind."""
        raise NotImplementedError

    def n_views(self, name: str) -> int:
        if self.key(name) == EMBEDDING:
            return 1
        if name not in self._counts:
            self._counts[name] = len(self._cut_here(self._example, name))
        return self._counts[name]

    def views_of(self, item: Any, key: str) -> list[Any]:
        """Return an item's views of an objective, as many as every item has.

        Raises
        ------
        RuntimeError
            If the objective gives another number of this item.
        TypeError
            If it gives none, or something else.
        """
        views = self._cut_here(item, key)
        if len(views) != self.n_views(key):
            raise RuntimeError(
                f"{type(self._state.objectives[key]).__name__}.views gave {len(views)} "
                f"views of one {self._unit} and {self.n_views(key)} of another; every "
                f"{self._unit} needs the same number."
            )
        return views

    def _cut_here(self, item: Any, key: str) -> list[Any]:
        objective = self._state.objectives[key]
        views = objective.views(item, self.frame, self._state.drawn[key])
        is_list = hasattr(views, "__iter__") and not isinstance(views, (str, dict))
        found = list(views) if is_list else []
        if not found or not all(map(self.is_view, found)):
            raise TypeError(
                f"{type(objective).__name__}.views gave {views!r:.80}; a list of at "
                f"least one view is needed, each {self.view_kind}."
            )
        return found
