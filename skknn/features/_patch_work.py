"""Work on gradients of positions, and on the patches that they are compared with."""

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extraction import Job, RowCache, n_workers, show_progress
from ..utils._behaviour import Behaviour, observe
from ._backbone_loader import BackboneLoader
from ._work import EmbeddingWork, Work, same_network

if TYPE_CHECKING:
    from ..backbones import DenseExtractor
    from ..gradients._patch_extractor import PatchExtractor
    from ..gradients._patch_state import PatchState
    from ..modalities import ItemSource

# Images whose maps are there at a time.
_CHUNK = 16


class LastMapsWork(EmbeddingWork):
    """Last feature maps of the images of a loader's dense extractor."""

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_extractor"}

    @cached_property
    def _extractor(self) -> "DenseExtractor":  # type: ignore[override]
        extractor: Any = self._loader.extractor
        return extractor.of_last_map()


class PatchWork(Work):
    """Maps with gradients of positions.

    Parameters
    ----------
    loader : BackboneLoader
    state : PatchState
    patches : PatchExtractor, optional
        Of that backbone and state, if there is one already.
    **settings : dict
        As for :class:`Work`.
    """

    def __init__(
        self,
        loader: BackboneLoader,
        state: "PatchState",
        patches: "PatchExtractor | None" = None,
        **settings: Any,
    ) -> None:
        super().__init__(loader, **settings)
        self._state, self._patches = state, patches

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_patches": None}

    def _job(self) -> Job:
        from ..gradients._patch_job import PatchJob

        return PatchJob(self._loaded_patches(), self._batch_size)

    def _observe(self, identity: dict[str, Any]) -> dict[str, Behaviour] | None:
        from ..gradients._patch_job import patch_answers

        patches = self._loaded_patches()
        return observe(
            lambda n: {"row": patch_answers(patches, n)},
            "The backbone",
            same_network(
                patches.extractor, identity, str(self._state.settings(identity))
            ),
        )

    def _open(
        self,
        folder: str | os.PathLike,
        identity: dict[str, Any],
        behaviours: dict[str, Behaviour],
    ) -> RowCache:
        return RowCache(folder, self._state.settings(identity), behaviours["row"])

    def _loaded_patches(self) -> "PatchExtractor":
        from ..gradients._patch_extractor import PatchExtractor

        if self._patches is None:
            extractor: Any = self._loader.extractor
            self._patches = PatchExtractor(extractor, self._state)
        return self._patches


def fill_support(
    work: LastMapsWork,
    state: "PatchState",
    items: "ItemSource",
    *,
    n_jobs: int | None,
    verbose: int,
) -> "PatchState":
    """Encode training images drawn at random and keep some patches of each.

    Parameters
    ----------
    work : LastMapsWork
    state : PatchState
    items : ItemSource
        Training images; those that cannot be read are left out where ``work`` lets
        them pass.
    n_jobs : int or None
    verbose : int

    Returns
    -------
    PatchState
        With its support.

    Raises
    ------
    ValueError
        If no image could be read.
    """
    from ..backbones import N_GRID

    chosen, width = state.support_rows(len(items)), state.support.shape[1]
    parts = []
    with show_progress(verbose, len(chosen), "support", items.unit) as shown:
        for start in range(0, len(chosen), _CHUNK):
            some = chosen[start : start + _CHUNK]
            rows = work(items.rows(some), n_workers(n_jobs), shown)
            bad = {row for row, _ in rows.bad}
            for i, row in enumerate(some.tolist()):
                if i in bad:
                    continue
                values = rows.others.get(i, rows.values[i])
                patches = values[:-N_GRID].reshape(-1, width)
                kept = state.support_patches(row, len(chosen), len(patches))
                parts.append(patches[kept])
    if not parts:
        raise ValueError(
            "gradients= compares patches with those of training images, and none of "
            "X could be read."
        )
    return state.with_support(np.concatenate(parts))
