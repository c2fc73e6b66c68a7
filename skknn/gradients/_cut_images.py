"""Images -> 8-bit views on the device, for the blocks that are wanted."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..backbones import Extractor, FrozenExtractor
from ..backbones._device_images import (
    DeviceImages,
    as_host_tensor,
    in_order,
    may_travel,
)
from ..backbones._device_memory import how_many_fit, views_at_once
from ..backbones._transfer import Uploads, pinned
from ..modalities import RGBImage
from ..utils._behaviour import Answer
from ..utils._out_of_memory import is_out_of_memory
from ._cutter import Cutter, LoadedViews
from ._state import EMBEDDING, FungiState
from ._view_group import ViewGroup
from .objectives import Objective
from .views import Frame

if TYPE_CHECKING:
    from ._engine import GradientEngine


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


# Images together where nothing else decides.
_BATCH = 16
# Views a forward: what keeps a core's caches warm (benchmarks/fungi.py).
_VIEWS_ON_CPU = 4
# On CUDA, enough views a launch to hide the next one's; and not more images than that.
_VIEWS_A_LAUNCH, _IMAGES_A_LAUNCH = 2048, 256
# Views may differ by a grey level or two where they are resized on a device; pixels of
# a view that tell it from others, a side.
_VIEW_ROUNDING, _PIXELS = 1e-2, 8


class ImageCutter(Cutter):
    """Cuts images in threads or on the device, where the views of several are used.

    Parameters
    ----------
    extractor : Extractor
    state : FungiState
    batch_size : int or None

    Attributes
    ----------
    frame : Frame
    plain, in_passes
        As of every cutter.
    """

    def __init__(
        self, extractor: FrozenExtractor, state: FungiState, batch_size: int | None
    ) -> None:
        super().__init__(extractor, state, batch_size)
        assert isinstance(extractor, Extractor)
        self._batch_size, self._auto = batch_size or _BATCH, batch_size is None
        config = extractor.data_config
        self.frame = Frame(
            config["input_size"][1:], state.view_size, config["interpolation"]
        )
        self._extractor = extractor
        self._uploads = Uploads(extractor.device)
        self._counts: dict[str, int] = {}
        # Objectives of the user may say for PIL images only what their views are.
        self._cut_anywhere = frozenset(
            name
            for name, objective in state.objectives.items()
            if type(objective).views is Objective.views
        )

    def cut(
        self, image: RGBImage, wanted: Collection[str], on_device: bool = False
    ) -> CutImage:
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
    ) -> Iterator[ViewGroup]:
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
            yield ViewGroup(views)

    def n_views(self, name: str) -> int:
        if self.key(name) == EMBEDDING:
            return 1
        if name not in self._counts:
            blank = Image.new("RGB", self.frame.size[::-1])
            parts = [view[None] for view in self._cut_here(blank, name)]
            self._counts[name] = sum(v.shape[1] for v in self._expand(name, parts))
        return self._counts[name]

    def shown(self, item: RGBImage, name: str) -> list[NDArray[np.float32]]:
        on_device = self._extractor.device.type == "cuda"
        loaded = self.load([self.cut(item, [name], on_device=on_device)])
        (views,) = self.groups(name, loaded, 1)
        return [
            self._extractor.normalize(part[0]).cpu().numpy() for part in views.parts
        ]

    def answers(self, views: list[torch.Tensor]) -> list[Answer]:
        found = []
        for view in views:
            height, width = view.shape[-2:]
            down, right = -(-height // _PIXELS), -(-width // _PIXELS)
            some = view[0, :, :, ::down, ::right].flatten(1)
            found.append(Answer(some.float().cpu().numpy(), _VIEW_ROUNDING))
        return found

    def views_a_forward(self) -> int:
        device = self._extractor.device
        if device.type == "cpu":
            return min(self._batch_size, _VIEWS_ON_CPU)
        if device.type == "cuda" and self._auto:
            return views_at_once(device, self.frame.size)
        return 8 * self._batch_size

    def items_at_once(self, names: Collection[str], gradient_size: int) -> int:
        device = self._extractor.device
        if not self._auto or device.type != "cuda":
            return self._batch_size
        n_views = sum(map(self.n_views, set(map(self.key, names))))
        n_gradients = len(self._state.objectives.keys() & set(names))
        height, width = self.frame.size
        # 8-bit views, and gradients as they come, scaled, joined and split.
        each = 3 * height * width * n_views + 16 * n_gradients * gradient_size
        wanted = min(_IMAGES_A_LAUNCH, max(_BATCH, _VIEWS_A_LAUNCH // n_views))
        return how_many_fit(device, 8 * each, wanted)

    def try_views(self, engine: "GradientEngine") -> None:
        frame = self.frame
        if frame.view_size == frame.size:
            return
        shape = 1, 1, 3, *frame.view_size
        blank = torch.zeros(shape, dtype=torch.uint8, device="cpu")
        try:
            with engine.open() as run:
                run.embed(ViewGroup([blank]))
        except (AssertionError, RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(
                f"view_size={frame.view_size} does not suit the backbone, whose "
                f"input size is {frame.size} ({error}). Use view_size=None, or "
                "a backbone that takes several sizes (a module: build timm's with "
                "dynamic_img_size=True)."
            ) from error

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
