"""What one run of a transformer needs, in this process or in another."""

import copy
import json
import os
from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..extraction import BlockCache, Job, Progress, RowCache, Rows, run_job
from ..gradients._state import EMBEDDING
from ..modalities import ItemSource
from ..utils._behaviour import Behaviour, observe
from ..utils._class_code import class_code, is_plain
from ._backbone_loader import BackboneLoader, absolute

if TYPE_CHECKING:
    from ..backbones import FrozenExtractor
    from ..gradients._blocks import BlockExtractor
    from ..gradients._state import FungiState


class Work:
    """Items -> rows: a job with its cache, which are made where it is called.

    Small when pickled: loaded networks are left out.

    Parameters
    ----------
    loader : BackboneLoader
    batch_size : int or "auto"
    memory : str, Path or None
    on_error : {"raise", "nan"}
    """

    def __init__(
        self,
        loader: BackboneLoader,
        *,
        batch_size: int | str,
        memory: str | os.PathLike | None,
        on_error: str,
    ) -> None:
        self._loader, self._batch_size = loader, batch_size
        self._memory, self._on_error = memory, on_error
        self._identity: dict[str, Any] | None = None
        self._behaviours: dict[str, Behaviour] | None = None

    def __call__(
        self, items: ItemSource, n_threads: int, progress: Progress | None = None
    ) -> Rows:
        """Compute the rows of items."""
        cache = None if self._memory is None else self._cache(self._memory)
        job, extractor = self._job(), self._loader.extractor
        # What fixed questions had cut is nothing to the user.
        extractor.shortened()
        with nullcontext() if cache is None else cache:
            rows = run_job(
                job,
                items,
                cache=cache,
                n_threads=n_threads,
                on_bad_item=self._on_error,
                progress=progress,
            )
        return replace(rows, n_shortened=extractor.shortened())

    def located(self) -> "Work":
        """Return the same with absolute paths: processes may run in other folders."""
        other = copy.copy(self)
        other._loader = self._loader.located()
        if self._memory is not None:
            other._memory = absolute(self._memory)
        return other

    def _job(self) -> Job:
        raise NotImplementedError

    @property
    def _extractor(self) -> "FrozenExtractor":
        return self._loader.extractor

    def _cache(self, folder: str | os.PathLike) -> RowCache | BlockCache | None:
        """Open the cache; None where what is asked twice gives other rows."""
        if self._identity is None:
            self._identity = self._extractor.identity()
            self._behaviours = self._observe(self._identity)
        if self._behaviours is None:
            return None
        return self._open(folder, self._identity, self._behaviours)

    def _observe(self, identity: dict[str, Any]) -> dict[str, Behaviour] | None:
        """What makes the rows, by block, as a cache tells it from others."""
        raise NotImplementedError

    def _open(
        self,
        folder: str | os.PathLike,
        identity: dict[str, Any],
        behaviours: dict[str, Behaviour],
    ) -> RowCache | BlockCache:
        raise NotImplementedError


class EmbeddingWork(Work):
    """Embeddings of items."""

    def _job(self) -> Job:
        from ..backbones import make_job

        return make_job(self._extractor, self._batch_size)

    def _observe(self, identity: dict[str, Any]) -> dict[str, Behaviour] | None:
        from ..backbones import embedding_answers

        extractor = self._extractor
        return observe(
            lambda n: {"row": embedding_answers(extractor, n)},
            "The backbone",
            same_network(extractor, identity),
        )

    def _open(
        self,
        folder: str | os.PathLike,
        identity: dict[str, Any],
        behaviours: dict[str, Behaviour],
    ) -> RowCache:
        return RowCache(folder, identity, behaviours["row"])


class BlocksWork(Work):
    """Embeddings and projected gradients of items, before PCA.

    Parameters
    ----------
    loader : BackboneLoader
    state : FungiState
    blocks : BlockExtractor, optional
        Of that backbone and state, if there is one already.
    **settings : dict
        As for :class:`Work`.

    Attributes
    ----------
    state : FungiState
    """

    def __init__(
        self,
        loader: BackboneLoader,
        state: "FungiState",
        blocks: "BlockExtractor | None" = None,
        **settings: Any,
    ) -> None:
        super().__init__(loader, **settings)
        self.state, self._blocks = state, blocks

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_blocks": None}

    def _job(self) -> Job:
        from ..gradients._jobs import BlocksJob

        return BlocksJob(self._loaded_blocks())

    def _observe(self, identity: dict[str, Any]) -> dict[str, Behaviour] | None:
        blocks = self._loaded_blocks()
        network = _observe_network(blocks, identity)
        if network is None:
            return None
        found = {EMBEDDING: network[EMBEDDING]}
        for name in self.state.objectives:
            objective = _observe_objective(blocks, name, identity)
            if objective is None:
                return None
            found[name] = network["gradient"] + objective
        for block, name in self.state.view_blocks.items():
            views = _observe_objective(blocks, name, identity, views_only=True)
            if views is None:
                return None
            found[block] = network[EMBEDDING] + views
        return found

    def _open(
        self,
        folder: str | os.PathLike,
        identity: dict[str, Any],
        behaviours: dict[str, Behaviour],
    ) -> BlockCache:
        slices = self.state.slices
        settings = {name: self.state.settings(name, identity) for name in slices}
        return BlockCache(folder, settings, slices, behaviours)

    def _loaded_blocks(self) -> "BlockExtractor":
        from ..gradients._blocks import BlockExtractor

        if self._blocks is None:
            self._blocks = BlockExtractor(
                self._loader.extractor, self.state, batch_size=self._batch_size
            )
        return self._blocks


class LatentsWork(Work):
    """Latents of training items, for an objective that compares with them.

    Parameters
    ----------
    loader : BackboneLoader
    blocks : BlockExtractor
    name : str
        The objective.
    **settings : dict
        As for :class:`Work`.
    """

    def __init__(
        self,
        loader: BackboneLoader,
        blocks: "BlockExtractor",
        name: str,
        **settings: Any,
    ) -> None:
        super().__init__(loader, **settings)
        self._blocks, self._name = blocks, name

    def _job(self) -> Job:
        from ..gradients._jobs import LatentsJob

        return LatentsJob(self._blocks, self._name)

    def _observe(self, identity: dict[str, Any]) -> dict[str, Behaviour] | None:
        network = _observe_network(self._blocks, identity)
        objective = _observe_objective(self._blocks, self._name, identity)
        if network is None or objective is None:
            return None
        return {"row": network[EMBEDDING] + objective}

    def _open(
        self,
        folder: str | os.PathLike,
        identity: dict[str, Any],
        behaviours: dict[str, Behaviour],
    ) -> RowCache:
        settings = self._blocks.state.settings(self._name, identity, bank=True)
        return RowCache(folder, settings, behaviours["row"])


def same_network(
    extractor: "FrozenExtractor", identity: dict[str, Any], *what: Any
) -> Hashable | None:
    """Return a key that is equal only where a network answers alike."""
    state = extractor.state_key()
    return state and (*what, json.dumps(identity), state)


def _observe_network(
    blocks: "BlockExtractor", identity: dict[str, Any]
) -> dict[str, Behaviour] | None:
    from ..gradients._probe import network_answers

    state = blocks.state
    gradients = (state.projection_dim, state.seed) if state.objectives else None
    return observe(
        lambda n: network_answers(blocks, n),
        "The backbone",
        same_network(blocks.extractor, identity, state.layer, gradients),
    )


def _observe_objective(
    blocks: "BlockExtractor",
    name: str,
    identity: dict[str, Any],
    *,
    views_only: bool = False,
) -> Behaviour | None:
    from ..gradients._probe import objective_answers, view_answers

    answers = view_answers if views_only else objective_answers

    state, objective = blocks.state, blocks.state.objectives[name]
    same = None
    kind = type(objective)
    if kind.__module__.startswith("skknn."):
        # It changes with its parameters, or when someone changes our class.
        settings = state.settings(name, identity)
        ours = [base for base in kind.__mro__ if base.__module__.startswith("skknn.")]
        switches = [repr(v) for k in ours for v in vars(k).values() if is_plain(v)]
        code = [*map(class_code, ours), *switches]
        same = json.dumps([settings, sorted(state.banks), views_only, code])
    found = observe(
        lambda n: {name: answers(blocks, name)},
        type(objective).__name__,
        same,
    )
    return None if found is None else found[name]
