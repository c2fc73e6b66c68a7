"""Images -> 8-bit views on the device, for the blocks that are wanted."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch
from PIL import Image

from ..backbones import Extractor
from ..backbones._device_images import (
    DeviceImages,
    as_host_tensor,
    in_order,
    may_travel,
)
from ..backbones._transfer import Uploads, pinned
from ..modalities import RGBImage
from ._state import EMBEDDING, FungiState
from .objectives import Objective
from .views import Frame


@dataclass(frozen=True)
class CutImage:
    """One image as it waits for the network.

    Objectives that see the evaluation image itself find it under the embedding.

    Attributes
    ----------
    wanted : frozenset of str
        Keys of views; a superset of those in ``views``.
    blocks : frozenset of str
        What the views are for.
    views : dict
        What a thread cut already.
    whole : uint8 tensor of shape (H, W, 3 or 4), or None
        What the device cuts the others from.
    """

    wanted: frozenset[str]
    blocks: frozenset[str]
    views: dict[str, list[torch.Tensor]]
    whole: torch.Tensor | None = None


@dataclass(frozen=True)
class LoadedViews:
    """The views of n images on the device: by key, of which images they are, and the
    views as one tensor (images, V_k, 3, h, w) a size; blocks that any of them needs."""

    n: int
    blocks: frozenset[str]
    views: dict[str, tuple[list[int], list[torch.Tensor]]]


class ViewCutter:
    """Cuts images in threads or on the device, where the views of several are used.

    Parameters
    ----------
    extractor : Extractor
    state : FungiState

    Attributes
    ----------
    frame : Frame
    plain : list of str
        Objectives that see the evaluation image itself, in the order of blocks.
    """

    def __init__(self, extractor: Extractor, state: FungiState) -> None:
        config = extractor.data_config
        self.frame = Frame(
            config["input_size"][1:], state.view_size, config["interpolation"]
        )
        self.plain = [n for n, o in state.objectives.items() if o.plain_view]
        self._extractor, self._state = extractor, state
        self._view_blocks = state.view_blocks
        self._uploads = Uploads(extractor.device)
        self._counts: dict[str, int] = {}
        # Objectives of the user may say for PIL images only what their views are.
        self._cut_anywhere = frozenset(
            name
            for name, objective in state.objectives.items()
            if type(objective).views is Objective.views
        )

    def key(self, name: str) -> str:
        """Return under which key the views of a block are."""
        name = self._view_blocks.get(name, name)
        return EMBEDDING if name == EMBEDDING or name in self.plain else name

    def cut(
        self, image: RGBImage, wanted: Collection[str], on_device: bool = False
    ) -> CutImage:
        """Cut the views of an image that some blocks need, in a thread.

        Parameters
        ----------
        image : RGBImage
        wanted : collection of str
            Blocks.
        on_device : bool
            Whether to leave what can be left to the device.
        """
        keys = frozenset(map(self.key, wanted))
        left = frozenset(filter(self._leaves(image.size), keys if on_device else ()))
        device = self._extractor.device
        whole = as_host_tensor(image.pixels(), device) if left else None
        views = {}
        if keys != left:
            pil = image.pil()
            views = {
                key: [pinned(view, device) for view in self._cut_here(pil, key)]
                for key in sorted(keys - left)
            }
        return CutImage(keys, frozenset(wanted), views, whole)

    def load(self, images: list[CutImage]) -> LoadedViews:
        """Bring images to the device and cut what the threads left to it."""
        whole = {
            i: image.whole for i, image in enumerate(images) if image.whole is not None
        }
        stacks = DeviceImages(whole, self._uploads)
        views = {}
        for key in sorted(frozenset().union(*(image.wanted for image in images))):
            rows = [i for i, image in enumerate(images) if key in image.wanted]
            here = [i for i in rows if key in images[i].views]
            there = [i for i in rows if key not in images[i].views]
            sizes = stacks.cut(there, self._cutting(key))
            if here:
                parts = zip(*(images[i].views[key] for i in here))
                stacked = [(here, self._uploads.stack(list(part))) for part in parts]
                sizes = [
                    [*others, mine]
                    for others, mine in zip(sizes or [[]] * len(stacked), stacked)
                ]
            views[key] = rows, [in_order(parts) for parts in sizes]
        blocks = frozenset().union(*(image.blocks for image in images))
        return LoadedViews(len(images), blocks, views)

    def groups(
        self, name: str, loaded: LoadedViews, n_views: int
    ) -> Iterator[list[torch.Tensor]]:
        """Yield the views of a block, some images at a time.

        Parameters
        ----------
        name : str
        loaded : LoadedViews
        n_views : int
            Views that may come together; one image's do in any case.

        Yields
        ------
        list of uint8 tensors of shape (images, V_k, 3, h, w)
        """
        rows, parts = loaded.views.get(self.key(name), ([], []))
        n = len(rows)
        if n > 1:
            at_once = max(1, n_views // self.n_views(name))
            # Equal groups instead of full ones and a small rest.
            n = -(-n // -(-n // at_once))
        for start in range(0, len(rows), n or 1):
            views = self._expand(name, [part[start : start + n] for part in parts])
            if n > 1 and len({view.shape[2:] for view in views}) == 1:
                # One forward pass instead of a large and a small one.
                views = [torch.cat(views, dim=1)] if len(views) > 1 else views
            yield views

    def n_views(self, name: str) -> int:
        """Return how many views an image has in a block."""
        if self.key(name) == EMBEDDING:
            return 1
        if name not in self._counts:
            blank = Image.new("RGB", self.frame.size[::-1])
            parts = [view[None] for view in self._cut_here(blank, name)]
            self._counts[name] = sum(v.shape[1] for v in self._expand(name, parts))
        return self._counts[name]

    def _leaves(self, size: tuple[int, int]) -> Callable[[str], bool]:
        """Whether views of an image of a size are left to the device, by key."""
        plain = self._extractor.prepares_on_device(size)
        others = self._cut_anywhere if may_travel(size) else frozenset()
        return lambda key: plain if key == EMBEDDING else key in others

    def _cut_here(self, image: Image.Image, key: str) -> list[torch.Tensor]:
        """The views (V_k, 3, h, w) of one image, by the thread that calls."""
        if key == EMBEDDING:
            return [self._extractor.prepare(image)[None]]
        drawn = self._state.drawn[key]
        return _as_list(self._state.objectives[key].views(image, self.frame, drawn))

    def _cutting(self, key: str) -> Callable[[torch.Tensor], list[torch.Tensor]]:
        """What cuts whole images (n, 3, H, W) to views (n, V_k, 3, h, w)."""
        if key == EMBEDDING:
            return lambda pixels: [self._extractor.prepare_on_device(pixels)[:, None]]
        objective, drawn = self._state.objectives[key], self._state.drawn[key]
        return lambda pixels: _as_list(objective.cut(pixels, self.frame, drawn))

    def _expand(self, name: str, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        if self.key(name) == EMBEDDING:
            return parts
        objective = self._state.objectives[name]
        # An objective gets views in the form in which it gave them.
        views = parts if len(parts) > 1 else parts[0]
        return _as_list(objective.expand(views, self.frame))


def _as_list(views: torch.Tensor | list[torch.Tensor]) -> list[torch.Tensor]:
    return list(views) if isinstance(views, (list, tuple)) else [views]
