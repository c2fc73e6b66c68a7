"""Images -> 8-bit views on the device, for the blocks that are wanted."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from PIL import Image

from ..backbones import Extractor
from ..backbones._transfer import Uploads, pinned
from ._state import EMBEDDING, FungiState
from .views import Frame


@dataclass(frozen=True)
class CutImage:
    """The views of one image, as they wait for the network, by block.

    Objectives that see the evaluation image itself find it under the embedding.
    """

    wanted: frozenset[str]
    pixels: dict[str, list[torch.Tensor]]


class ViewCutter:
    """Cuts images in threads, and brings the views of several to the device.

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
        self._uploads = Uploads(extractor.device)
        self._counts: dict[str, int] = {}

    def cut(self, image: Image.Image, wanted: Collection[str]) -> CutImage:
        """Cut the views of an 8-bit RGB image that some blocks need."""
        pixels: dict[str, list[torch.Tensor]] = {}
        if not self.shared.isdisjoint(wanted):
            pixels[EMBEDDING] = [self._extractor.prepare(image)[None]]
        for name in sorted(set(wanted) - self.shared):
            drawn = self._state.drawn[name]
            views = self._state.objectives[name].views(image, self.frame, drawn)
            pixels[name] = _as_list(views)
        device = self._extractor.device
        return CutImage(
            frozenset(wanted),
            {key: [pinned(p, device) for p in parts] for key, parts in pixels.items()},
        )

    @property
    def shared(self) -> frozenset[str]:
        """The blocks that come from the evaluation image."""
        return frozenset([EMBEDDING, *self.plain])

    def groups(
        self, name: str, images: list[CutImage], n_views: int
    ) -> Iterator[list[torch.Tensor]]:
        """Yield the views of a block on the device, some images at a time.

        Parameters
        ----------
        name : str
        images : list of CutImage
            The block, or one that shares its views, is wanted of all of them.
        n_views : int
            Views that may come together; one image's do in any case.

        Yields
        ------
        list of uint8 tensors of shape (images, V_k, 3, h, w)
        """
        if not images:
            return
        key = EMBEDDING if name in self.shared else name
        stacked = [
            self._uploads.stack(list(parts))
            for parts in zip(*(image.pixels[key] for image in images))
        ]
        n = len(images)
        if n > 1:
            at_once = max(1, n_views // self.n_views(name))
            # Equal groups instead of full ones and a small rest.
            n = -(-n // -(-n // at_once))
        for start in range(0, len(images), n):
            yield self._expand(name, [part[start : start + n] for part in stacked])

    def n_views(self, name: str) -> int:
        """Return how many views an image has in a block."""
        if name in self.shared:
            return 1
        if name not in self._counts:
            height, width = self.frame.size
            blank = self.cut(Image.new("RGB", (width, height)), [name])
            parts = self._expand(name, [part[None] for part in blank.pixels[name]])
            self._counts[name] = sum(part.shape[1] for part in parts)
        return self._counts[name]

    def _expand(self, name: str, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        if name in self.shared:
            return parts
        objective = self._state.objectives[name]
        # An objective gets views in the form in which it gave them.
        views = parts if len(parts) > 1 else parts[0]
        return _as_list(objective.expand(views, self.frame))


def _as_list(views: torch.Tensor | list[torch.Tensor]) -> list[torch.Tensor]:
    return list(views) if isinstance(views, (list, tuple)) else [views]
