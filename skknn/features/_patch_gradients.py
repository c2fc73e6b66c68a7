"""Gradients of positions as part of the maps of a DenseEmbedder."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..gradients._state import EMBEDDING
from ..utils._slices import side_by_side
from ..utils._warn import warn
from ._backbone_loader import BackboneLoader
from ._item_transformer import ItemTransformer
from ._shared_parameters import memory_folder

if TYPE_CHECKING:
    from ..gradients._patch_extractor import PatchExtractor
    from ..gradients._patch_state import PatchState
    from ..modalities import ItemSource
    from ._work import Work


class PatchGradients(ItemTransformer):
    """Base of an embedder of maps that may have gradients of positions.

    A fitted one holds in ``__dict__``, besides what its base says,

    ``_patch_state``
        the :class:`~skknn.gradients._patch_state.PatchState` that ``fit`` drew, or
        None, always kept;
    ``_patches``
        the state of the backbone, and the
        :class:`~skknn.gradients._patch_extractor.PatchExtractor` made for it; never
        pickled, and made again on demand.
    """

    gradients: Any
    gradient_layer: str
    gradient_form: str
    projection_dim: int | None

    _fitted_names = (*ItemTransformer._fitted_names, "_patch_state", "_patches")

    @property
    def layer_(self) -> str | None:
        """Name of the differentiated layer; None without gradients."""
        state = self._fitted_patch_state("layer_")
        return None if state is None else state.layer

    @property
    def seed_(self) -> int:
        """What everything was drawn from."""
        self._fitted_patch_state("seed_")
        return self._seed

    @property
    def head_(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Weight and bias of the random head; None without gradients."""
        state = self._fitted_patch_state("head_")
        return None if state is None else state.head

    @property
    def support_(self) -> NDArray[np.float32] | None:
        """Training patches (n_support, width); None without gradients."""
        state = self._fitted_patch_state("support_")
        return None if state is None else state.support

    @property
    def feature_slices_(self) -> dict[str, slice]:
        """Block name -> slice of the vector of a position."""
        widths = {EMBEDDING: self._embedding_width("feature_slices_")}
        if self._fitted_patch_state("feature_slices_") is not None:
            widths |= self._fitted_patches().blocks.widths
        return side_by_side(widths)

    @property
    def pair_widths_(self) -> tuple[int, int, int] | None:
        """Widths of features, inputs and slopes where gradients are pairs."""
        state = self._fitted_patch_state("pair_widths_")
        if state is None or state.projection_dim is not None:
            return None
        embedding, inputs, slopes = (s.stop - s.start for s in self._slices())
        return embedding, inputs, slopes

    def patch_gradients(
        self, X: Any
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return gradients as they are: neither normalised nor projected.

        Parameters
        ----------
        X : as for :meth:`transform`

        Returns
        -------
        gradients : list of (inputs, slopes)
            Arrays (N, columns) and (N, rows) of an image: the gradient of vector t
            of the layer ``layer_`` is ``numpy.outer(slopes[t], inputs[t])``, the bias
            (if there is one) its last column. Class and register tokens come first.
            The sum over t is the gradient of the image's loss.

        Raises
        ------
        ValueError
            If ``gradients`` was None in ``fit``.
        BadImageError
            If an image cannot be read.
        """
        from ..extraction import n_workers, run_job, show_progress
        from ..gradients._patch_job import PairsJob

        if self._fitted_patch_state("patch_gradients") is None:
            raise ValueError(
                "gradients=None was fitted, so there are none. Pass gradients='simclr'."
            )
        items, patches = self._items(X), self._fitted_patches()
        job, n_threads = PairsJob(patches, self.batch_size), n_workers(self.n_jobs)
        with show_progress(self.verbose, len(items), "gradients", items.unit) as shown:
            rows = run_job(job, items, n_threads=n_threads, progress=shown)
        columns, width = patches.blocks.shape[1], sum(patches.blocks.shape)
        found = []
        for i, usual in enumerate(rows.values):
            row = rows.others.get(i, usual)
            stop = len(row) // width * columns
            a, b = row[:stop].reshape(-1, columns), row[stop:]
            found.append((a, b.reshape(len(a), -1)))
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the network at work, too: it follows from backbone and state."""
        kept = super().__getstate__()
        kept.pop("_patches", None)
        return kept

    def _draw_patch_state(
        self, loader: BackboneLoader, items: "ItemSource", seed: int
    ) -> "PatchState | None":
        """What ``fit`` draws for gradients, from training images; None without."""
        from ..gradients._patch_extractor import PatchExtractor
        from ..gradients._patch_state import draw_patch_state
        from ..gradients.objectives import resolve_patch_objective
        from ._patch_work import LastMapsWork, fill_support

        if self.gradients is None:
            return None
        if memory_folder(self.memory) is not None and self.random_state is None:
            warn(
                "memory= is set but random_state=None draws a new head at every fit, "
                "so maps with gradients are never found again. Pass an integer "
                "random_state."
            )
        extractor: Any = loader.extractor
        projected = self.gradient_form == "projected"
        state = draw_patch_state(
            extractor,
            objective=resolve_patch_objective(self.gradients),
            layer=self.gradient_layer,
            projection_dim=(self.projection_dim or extractor.token_width)
            if projected
            else None,
            seed=seed,
        )
        state = fill_support(
            LastMapsWork(loader, **self._work_settings()),
            state,
            items,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        PatchExtractor(extractor, state).try_noise()
        return state

    def _embedding_work(self) -> "Work":
        from ._patch_work import PatchWork

        state = self._patch_state
        if state is None:
            return super()._embedding_work()
        patches = self._fitted_patches()
        loader = self._fitted_loader()
        return PatchWork(loader, state, patches, **self._work_settings())

    def _embedding_width(self, name: str) -> int:
        raise NotImplementedError

    def _slices(self) -> list[slice]:
        return list(self.feature_slices_.values())

    def _fitted_patch_state(self, name: str) -> "PatchState | None":
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"{name} is there after fit only")
        return self._patch_state

    def _fitted_patches(self) -> "PatchExtractor":
        from ..gradients._patch_extractor import PatchExtractor

        def make(extractor: Any) -> PatchExtractor:
            return PatchExtractor(extractor, self._patch_state)

        return self._at_work("_patches", make)
