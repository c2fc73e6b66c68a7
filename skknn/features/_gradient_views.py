"""What a researcher can look at in a fitted FungiTransformer."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..gradients.objectives import Objective
from ._item_transformer import ItemTransformer

if TYPE_CHECKING:
    from ..gradients._blocks import BlockExtractor
    from ..gradients._state import FungiState
    from ..modalities import ItemSource


class GradientViews(ItemTransformer):
    """Views, gradients, heads and negatives behind the rows.

    A fitted one holds in ``__dict__``, besides what its base says,

    ``_state``
        the :class:`~skknn.gradients._state.FungiState` that ``fit`` drew, always kept;
    ``_blocks``
        the batch size, the state of the backbone, and the
        :class:`~skknn.gradients._blocks.BlockExtractor` made for both; never pickled,
        and made again on demand.
    """

    @property
    def layer_(self) -> str:
        """Name of the differentiated layer."""
        return self._fitted_state("layer_").layer

    @property
    def objectives_(self) -> dict[str, Objective]:
        """Name -> objective, in the order of the blocks."""
        return dict(self._fitted_state("objectives_").objectives)

    @property
    def feature_slices_(self) -> dict[str, slice]:
        """Block name -> slice of a row before PCA."""
        return self._fitted_state("feature_slices_").slices

    @property
    def seed_(self) -> int:
        """What everything was drawn from."""
        return self._fitted_state("seed_").seed

    @property
    def heads_(self) -> dict[str, Any]:
        """Objective -> (weight, bias), or a dict of such pairs for several heads."""
        return {
            name: dict(heads) if len(heads) > 1 else next(iter(heads.values()))
            for name, heads in self._fitted_state("heads_").heads.items()
        }

    @property
    def negatives_(self) -> dict[str, NDArray[np.float32]]:
        """Objective -> latents (K, head_dim) of training images' views."""
        return dict(self._fitted_state("negatives_").banks)

    def views(self, X: Any, objective: str) -> NDArray | list[NDArray]:
        """Return the views that an objective's network passes see.

        Parameters
        ----------
        X : as in :meth:`transform`
        objective : str
            Key of ``objectives_``.

        Returns
        -------
        views : ndarray of shape (n, V, 3, S, S), float32
            Normalised for the model. A list of such arrays where ``view_size``
            makes the sizes of an objective's views differ. Of texts an array (n, V)
            of ``str``, of sounds one of the network's windows, each an ndarray of shape
            (W, frames, bands) or (W, samples).

        Raises
        ------
        MemoryError
            If they will not fit into memory.
        """
        items = self._items_for(X, objective)
        blocks = self._fitted_blocks()
        first = blocks.views(items.item(0), objective)
        _check_memory("views", items, sum(part.nbytes for part in first))
        out = [np.empty((len(items), *part.shape), part.dtype) for part in first]
        for row in range(len(items)):
            found = blocks.views(items.item(row), objective) if row else first
            for array, part in zip(out, found):
                array[row] = part
        if len({part.shape[-2:] for part in first}) == 1:
            return np.concatenate(out, axis=1) if len(out) > 1 else out[0]
        return out

    def gradients(self, X: Any, objective: str) -> NDArray[np.float32]:
        """Return an objective's gradients before projection.

        Parameters
        ----------
        X : as in :meth:`transform`
        objective : str
            Key of ``objectives_``.

        Returns
        -------
        gradients : ndarray of shape (n, m), float32
            dL/dW of the layer ``layer_``, with dL/db as last column where it has a
            bias, row by row; m = out * (in + 1) or out * in.

        Raises
        ------
        MemoryError
            If they will not fit into memory.
        """
        from ..extraction import n_workers, run_job, show_progress
        from ..gradients._jobs import GradientsJob

        items = self._items_for(X, objective)
        blocks = self._fitted_blocks()
        _check_memory("gradients", items, 4 * blocks.gradient_size)
        what = f"{objective} gradients"
        with show_progress(self.verbose, len(items), what, items.unit) as shown:
            job, n_threads = GradientsJob(blocks, objective), n_workers(self.n_jobs)
            return run_job(job, items, n_threads=n_threads, progress=shown).values

    def project(self, G: ArrayLike) -> NDArray[np.float32]:
        """Project gradients with the fitted matrix of signs, R G / sqrt(d).

        Parameters
        ----------
        G : array of shape (n, m)

        Returns
        -------
        projected : ndarray of shape (n, d), float32
        """
        check_is_fitted(self)
        blocks = self._fitted_blocks()
        rows: NDArray[np.float32] = check_array(G, dtype=np.float32, input_name="G")
        if rows.shape[1] != blocks.gradient_size:
            raise ValueError(
                f"G has {rows.shape[1]} columns; gradients of layer {self.layer_!r} "
                f"have {blocks.gradient_size}."
            )
        return blocks.project(rows)

    def _items_for(self, X: Any, objective: str) -> "ItemSource":
        check_is_fitted(self)
        if objective not in self.objectives_:
            raise ValueError(
                f"objective={objective!r} is not fitted; there are "
                f"{', '.join(map(repr, self.objectives_)) or 'none'}."
            )
        return self._items(X)

    def _fitted_state(self, name: str) -> "FungiState":
        if not hasattr(self, "_state"):
            raise AttributeError(f"{name} is there after fit only")
        return self._state

    def _fitted_blocks(self) -> "BlockExtractor":
        from ..gradients._blocks import BlockExtractor

        state, size = self._state, self.batch_size
        return self._at_work(
            "_blocks",
            lambda extractor: BlockExtractor(extractor, state, batch_size=size),
            size,
        )


def _check_memory(what: str, items: "ItemSource", bytes_each: int) -> None:
    """Refuse what will not fit, before hours are spent on it."""
    needed = len(items) * bytes_each
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return
    if needed > free:
        raise MemoryError(
            f"The {what} of {len(items)} {items.unit}s take {needed / 1e9:.1f} GB "
            f"({bytes_each / 1e6:.1f} MB each) and {free / 1e9:.1f} GB are free. Ask "
            f"for {max(1, int(0.8 * free / bytes_each))} {items.unit}s at a time."
        )
