"""A fitted FUNGI at work on one backbone."""

import copy
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones import FrozenExtractor
from ..utils._precision import exact_float32
from ._choose_cutter import choose_cutter
from ._engine import GradientEngine
from ._projection import SignProjection
from ._random import generator
from ._state import FungiState
from ._tasks import Task


class BlockExtractor:
    """All objectives of a fitted transformer at work on one backbone.

    Holds one copy of the network, one engine and one projection, and no state of a
    run: that is in the jobs.

    Parameters
    ----------
    extractor : FrozenExtractor
    state : FungiState
    batch_size : int or "auto"
        Items handled together; "auto" is left to the modality.

    Attributes
    ----------
    extractor, state
    device : torch.device
    engine : GradientEngine
    projection : SignProjection
    cutter : Cutter
    tasks : dict name -> Task
    """

    def __init__(
        self, extractor: FrozenExtractor, state: FungiState, *, batch_size: int | str
    ) -> None:
        self.extractor, self.device = extractor, extractor.device
        self._batch_size = None if isinstance(batch_size, str) else batch_size
        self._use(state)
        network = extractor.network(keep=(state.layer,))
        n_views = self.cutter.views_a_forward()
        self.engine = GradientEngine(network, state.layer, n_views)
        self.projection = SignProjection(
            self.engine.size, state.projection_dim, state.seed
        )
        self.cutter.try_views(self.engine)

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

    def items_at_once(self, names: Collection[str]) -> int:
        """Return how many items to handle together for some blocks."""
        return self.cutter.items_at_once(names, self.gradient_size)

    def views(self, item: Any, name: str) -> list[NDArray]:
        """Return one item's views (V_k, ...) of an objective.

        Of images normalised for the model; several arrays where sizes differ.
        """
        with exact_float32(), torch.inference_mode():
            return self.cutter.shown(item, name)

    def project(self, G: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return R g / sqrt(d) for rows g of gradients, (n, gradient_size)."""
        with exact_float32(), torch.inference_mode():
            return self.projection(torch.from_numpy(G).to(self.device)).cpu().numpy()

    def _use(self, state: FungiState) -> None:
        self.state = state
        self.cutter = choose_cutter(self.extractor, state, self._batch_size)
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
