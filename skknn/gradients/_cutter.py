"""What cuts items into the views that blocks need, whatever the items are."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from ..backbones import FrozenExtractor
from ..utils._behaviour import Answer
from ._state import EMBEDDING, FungiState
from ._view_group import ViewGroup

if TYPE_CHECKING:
    from ._engine import GradientEngine


@dataclass(frozen=True)
class LoadedViews:
    """The views of n items, ready for the network.

    Attributes
    ----------
    n : int
    blocks : frozenset of str
        Blocks that any of them needs.
    views : dict
        By key, of which items they are, and the views as one tensor (items, V_k, ...)
        a size: uint8 (items, V_k, 3, h, w) of images, int32 (items, V, L) of texts,
        float32 (items, V, W, ...) of sounds.
    """

    n: int
    blocks: frozenset[str]
    views: dict[str, tuple[list[int], list[torch.Tensor]]]


class Cutter:
    """Base of the cutters, one a modality.

    Parameters
    ----------
    extractor : FrozenExtractor
    state : FungiState
    batch_size : int or None
        Items in a forward pass; None where nobody says.

    Attributes
    ----------
    plain : list of str
        Objectives that see the item itself as the embedding does, in the order of
        blocks.
    in_passes : bool
        Whether items are put together by length before they are computed
        (:meth:`passes`); else each by itself on a CPU, as they come elsewhere.
    """

    in_passes = False

    def __init__(
        self, extractor: FrozenExtractor, state: FungiState, batch_size: int | None
    ) -> None:
        self.plain = [n for n, o in state.objectives.items() if o.plain_view]
        self._state = state
        self._view_blocks = state.view_blocks

    def key(self, name: str) -> str:
        """Return under which key the views of a block are."""
        name = self._view_blocks.get(name, name)
        return EMBEDDING if name == EMBEDDING or name in self.plain else name

    def cut(self, item: Any, wanted: Collection[str], on_device: bool = False) -> Any:
        """Cut the views of an item that some blocks need, in a thread.

        Parameters
        ----------
        item : object
            Decoded.
        wanted : collection of str
            Blocks.
        on_device : bool
            Whether to leave what can be left to the device.
        """
        raise NotImplementedError

    def load(self, items: list[Any]) -> LoadedViews:
        """Get what :meth:`cut` gave of several items ready for the network."""
        raise NotImplementedError

    def groups(
        self, name: str, loaded: LoadedViews, n_views: int
    ) -> Iterator[ViewGroup]:
        """Yield the views of a block, some items at a time.

        Parameters
        ----------
        name : str
        loaded : LoadedViews
        n_views : int
            Views that may come together; one item's do in any case.

        Yields
        ------
        ViewGroup
        """
        raise NotImplementedError

    def n_views(self, name: str) -> int:
        """Return how many views an item has in a block."""
        raise NotImplementedError

    def views_a_forward(self) -> int:
        """Return how many views of one item go into a forward pass."""
        raise NotImplementedError

    def items_at_once(self, names: Collection[str], gradient_size: int) -> int:
        """Return how many items the extraction loop hands over at a time.

        Parameters
        ----------
        names : collection of str
            Blocks.
        gradient_size : int
            Numbers in a gradient.
        """
        raise NotImplementedError

    def passes(self, items: Sequence[Any], gradient_size: int) -> list[list[int]]:
        """Return which items are computed together, of what :meth:`cut` gave."""
        raise NotImplementedError

    def try_views(self, engine: "GradientEngine") -> None:
        """Raise an error if the network does not take the views."""

    def shown(self, item: Any, name: str) -> list[NDArray]:
        """Return an item's views (V_k, ...) of an objective as a researcher sees them.

        Several arrays where sizes differ.
        """
        raise NotImplementedError

    def answers(self, views: list[torch.Tensor]) -> list[Answer]:
        """Return what tells views (1, V_k, ...) from others, for caches."""
        raise NotImplementedError
