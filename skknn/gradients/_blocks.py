"""A fitted FUNGI at work on one backbone."""

import copy
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones import Extractor
from ..backbones._device_memory import free_bytes, views_at_once
from ..modalities import RGBImage
from ..utils._precision import exact_float32
from ._cut_images import ViewCutter
from ._engine import GradientEngine
from ._projection import SignProjection
from ._random import generator
from ._state import FungiState
from ._tasks import Task

# Images together where nothing else decides.
_BATCH = 16
# Views a forward: what keeps a core's caches warm (benchmarks/fungi.py).
_VIEWS_ON_CPU = 4
# On CUDA, enough views a launch to hide the next one's; and not more images than that.
_VIEWS_A_LAUNCH, _IMAGES_A_LAUNCH = 2048, 256


class BlockExtractor:
    """All objectives of a fitted transformer at work on one backbone.

    Holds one copy of the network, one engine and one projection, and no state of a
    run: that is in the jobs.

    Parameters
    ----------
    extractor : Extractor
    state : FungiState
    batch_size : int or "auto"
        Images handled together; "auto" goes by the free memory of a CUDA device.

    Attributes
    ----------
    extractor, state
    device : torch.device
    engine : GradientEngine
    projection : SignProjection
    cutter : ViewCutter
    tasks : dict name -> Task
    """

    def __init__(
        self, extractor: Extractor, state: FungiState, *, batch_size: int | str
    ) -> None:
        self.extractor, self.device = extractor, extractor.device
        self._auto = isinstance(batch_size, str)
        self._batch_size = _BATCH if isinstance(batch_size, str) else batch_size
        network = extractor.network(keep=(state.layer,))
        self.engine = GradientEngine(
            network, state.layer, self._views_a_forward(network.size)
        )
        self.projection = SignProjection(
            self.engine.size, state.projection_dim, state.seed
        )
        self._use(state)
        self._try_view_size()

    @property
    def gradient_size(self) -> int:
        """Length of an unprojected gradient."""
        return self.engine.size

    def with_state(self, state: FungiState) -> "BlockExtractor":
        """Return one for a state that differs in heads, boxes or latents only.

        Shares network, engine and projection with this one.
        """
        other = copy.copy(self)
        other._use(state)
        return other

    def images_at_once(self, names: Collection[str]) -> int:
        """Return how many images to handle together for some blocks."""
        if not self._auto or self.device.type != "cuda":
            return self._batch_size
        n_views = sum(map(self.cutter.n_views, set(map(self.cutter.key, names))))
        n_gradients = len(self.state.objectives.keys() & set(names))
        height, width = self.cutter.frame.size
        # 8-bit views, and gradients as they come, scaled, joined and split.
        each = 3 * height * width * n_views + 16 * n_gradients * self.gradient_size
        fitting = free_bytes(self.device) // (8 * each)
        wanted = min(_IMAGES_A_LAUNCH, max(_BATCH, _VIEWS_A_LAUNCH // n_views))
        return max(1, min(wanted, fitting))

    def views(self, image: RGBImage, name: str) -> list[NDArray[np.float32]]:
        """Return one image's views (V_k, 3, h, w) of an objective.

        Normalised for the model; several arrays where sizes differ.
        """
        on_device = self.device.type == "cuda"
        with exact_float32(), torch.inference_mode():
            cut = self.cutter.cut(image, [name], on_device=on_device)
            (views,) = self.cutter.groups(name, self.cutter.load([cut]), 1)
            return [self.extractor.normalize(part[0]).cpu().numpy() for part in views]

    def project(self, G: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return R g / sqrt(d) for rows g of gradients, (n, gradient_size)."""
        with exact_float32(), torch.inference_mode():
            return self.projection(torch.from_numpy(G).to(self.device)).cpu().numpy()

    def _use(self, state: FungiState) -> None:
        self.state = state
        self.cutter = ViewCutter(self.extractor, state)
        self.tasks = {
            name: Task(
                objective,
                state.heads[name],
                state.banks.get(name),
                generator(state.seed, "bank", name),
                self.device,
            )
            for name, objective in state.objectives.items()
        }

    def _views_a_forward(self, size: tuple[int, int]) -> int:
        if self.device.type == "cpu":
            return min(self._batch_size, _VIEWS_ON_CPU)
        if self.device.type == "cuda" and self._auto:
            return views_at_once(self.device, size)
        return 8 * self._batch_size

    def _try_view_size(self) -> None:
        frame = self.cutter.frame
        if frame.view_size == frame.size:
            return
        blank = torch.zeros(1, 1, 3, *frame.view_size, dtype=torch.uint8)
        try:
            with self.engine.open() as run:
                run.embed([blank])
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"view_size={frame.view_size} does not suit the backbone, whose "
                f"input size is {frame.size} ({error}). Use view_size=None, or "
                "a backbone that takes several sizes (a module: build timm's with "
                "dynamic_img_size=True)."
            ) from error
