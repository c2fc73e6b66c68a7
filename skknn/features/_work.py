"""What one run of a transformer needs, in this process or in another."""

import copy
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..extraction import BlockCache, Job, Progress, RowCache, Rows, run_job
from ..modalities import ItemSource
from ._backbone_loader import BackboneLoader

if TYPE_CHECKING:
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

    def __call__(
        self, items: ItemSource, n_threads: int, progress: Progress | None = None
    ) -> Rows:
        """Compute the rows of items."""
        cache = None if self._memory is None else self._cache(self._memory)
        with nullcontext() if cache is None else cache:
            return run_job(
                self._job(),
                items,
                cache=cache,
                n_threads=n_threads,
                on_bad_item=self._on_error,
                progress=progress,
            )

    def located(self) -> "Work":
        """Return the same with absolute paths: processes may run in other folders."""
        other = copy.copy(self)
        other._loader = self._loader.located()
        if self._memory is not None:
            other._memory = os.path.abspath(os.path.expanduser(self._memory))
        return other

    def _job(self) -> Job:
        raise NotImplementedError

    def _cache(self, folder: str | os.PathLike) -> RowCache | BlockCache:
        raise NotImplementedError


class EmbeddingWork(Work):
    """Embeddings of images."""

    def _job(self) -> Job:
        return self._loader.extractor.job(self._batch_size)

    def _cache(self, folder: str | os.PathLike) -> RowCache:
        return RowCache(folder, self._loader.extractor.identity())


class BlocksWork(Work):
    """Embeddings and projected gradients of images, before PCA.

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
        from ..gradients._blocks import BlockExtractor

        if self._blocks is None:
            self._blocks = BlockExtractor(
                self._loader.extractor, self.state, batch_size=self._batch_size
            )
        return self._blocks.blocks_job()

    def _cache(self, folder: str | os.PathLike) -> BlockCache:
        identity = self._loader.extractor.identity()
        slices = self.state.slices
        settings = {name: self.state.settings(name, identity) for name in slices}
        return BlockCache(folder, settings, slices)


class LatentsWork(Work):
    """Latents of training images, for an objective that compares with them.

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
        return self._blocks.latents_job(self._name)

    def _cache(self, folder: str | os.PathLike) -> RowCache:
        identity = self._loader.extractor.identity()
        settings = self._blocks.state.settings(self._name, identity, bank=True)
        return RowCache(folder, settings)
