"""How a FungiTransformer draws what it needs and extracts rows with it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..gradients.objectives import Objective, resolve_objectives
from ..utils._warn import warn
from ._backbone_loader import BackboneLoader
from ._block_rows import fit_pca, warn_of_blocks
from ._gradient_views import GradientViews
from ._objective_params import ObjectiveParams
from ._shared_parameters import memory_folder

if TYPE_CHECKING:
    from ..extraction import Rows
    from ..gradients._blocks import BlockExtractor
    from ..modalities import ItemSource
    from ._work import BlocksWork


class GradientRows(ObjectiveParams, GradientViews):
    """Rows of gradients and embedding: the state is drawn, rows computed, PCA fitted.

    A fitted one holds in ``__dict__``, besides what its bases say, ``pca_`` and
    ``n_components_``.
    """

    objectives: Any
    layer: str
    projection_dim: int | None
    include_embedding: bool
    include_view_embeddings: bool
    n_components: int | str | None
    view_size: int | tuple[int, int] | None

    _fitted_names = (
        *GradientViews._fitted_names,
        "_state",
        "_blocks",
        "pca_",
        "n_components_",
    )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the network at work, too."""
        kept = super().__getstate__()
        kept.pop("_blocks", None)
        return kept

    @property
    def _several_sizes(self) -> bool:
        return self.view_size is not None

    def _fit(self, X: Any, with_rows: bool) -> NDArray[np.float32] | None:
        """Fit; return the rows of ``X`` before PCA if they are wanted."""
        from ..gradients._blocks import BlockExtractor
        from ..gradients._state import draw_state
        from ._negatives import encode_negatives
        from ._work import LatentsWork

        with self._fitting():
            objectives = resolve_objectives(self.objectives, self._modality_name)
            self._check_settings(objectives)
            items, table = self._items_of_fit(X)
            seed = self._draw_seed()
            loader = self._new_loader(seed)
            state = draw_state(
                loader.extractor,
                objectives=objectives,
                layer=self.layer,
                projection_dim=self.projection_dim,
                include_embedding=self.include_embedding,
                include_view_embeddings=self.include_view_embeddings,
                view_size=self.view_size,
                seed=seed,
            )
            blocks = BlockExtractor(loader.extractor, state, batch_size=self.batch_size)
            blocks = encode_negatives(
                lambda *args: LatentsWork(loader, *args, **self._work_settings()),
                blocks,
                items,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            state, pca, rows = blocks.state, None, None
            if with_rows:
                rows = self._extract(self._work(loader, blocks), items)
                if self.n_components is not None:
                    pca = fit_pca(rows.values, self.n_components, state.n_features)
            self._table, self._seed, self._loader = table, seed, loader
            self._known = loader.known
            made_for = self.batch_size, loader.extractor.stamp()
            self._state, self._blocks = state, (made_for, blocks)
            self.pca_ = pca
            self.n_components_ = state.width if pca is None else int(pca.n_components_)
            if rows is not None:
                self._note_rows(rows)
        return None if rows is None else rows.values

    def _check_settings(self, objectives: dict[str, Objective]) -> None:
        if not objectives and not self.include_embedding:
            raise ValueError(
                "objectives=() with include_embedding=False leaves no features. Name "
                "an objective, or include the embedding."
            )
        if memory_folder(self.memory) is not None and self.random_state is None:
            warn(
                "memory= is set but random_state=None draws new heads at every fit, so "
                "rows are never found again. Pass an integer random_state."
            )

    def _work(self, loader: BackboneLoader, blocks: "BlockExtractor") -> "BlocksWork":
        from ._work import BlocksWork

        return BlocksWork(loader, blocks.state, blocks, **self._work_settings())

    def _extract(self, work: "BlocksWork", items: "ItemSource") -> "Rows":
        """Compute the rows before PCA."""
        from ..extraction import Estimate, show_progress

        n, unit = len(items), items.unit
        estimate = Estimate(type(self).__name__, n, unit, self._batch_size_or_usual())
        with show_progress(self.verbose, n, "gradients", unit, estimate) as shown:
            rows = self._run(work, items, shown)
        slices = work.state.slices
        warn_of_blocks(
            rows.values,
            {name: slices[name] for name in work.state.objectives},
            [row for row, _ in rows.bad],
        )
        return rows
