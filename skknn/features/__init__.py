"""Transformers: items -> rows of features for any scikit-learn estimator.

Those of images, texts and sounds are thin. ``_item_transformer`` is what they share:
the form of ``X``, the backbone (``_backbone_loader``), threads or processes;
``_shared_parameters`` says what their common parameters mean and may be, ``_remedies``
what to do about one that may not. What a run needs goes into a piece of work
(``_work``), which this process or others hand to the extraction loop.
``FungiTransformer`` adds the state that ``fit`` draws (``_gradient_rows``, with
``_negatives``), a PCA (``_block_rows``), parameters of its objectives
(``_objective_params``) and what can be looked at (``_gradient_views``);
``DenseEmbedder`` gradients of positions (``_patch_gradients``, ``_patch_work``).

``BlockWeights`` takes rows, not items: it finds the blocks of columns in them
(``_column_blocks``), compares training rows by each block (``_block_distances``) and
searches for weights (``_weight_search``, among ``_vote_grids``), by which rows are
scaled (``_weighed_rows``). Votes are those of ``skknn.datastore``, which knows nothing
of this package.
"""

from ._backbone_embedder import BackboneEmbedder
from ._block_weights import BlockWeights
from ._dense_embedder import DenseEmbedder
from ._fungi_transformer import FungiTransformer

__all__ = ["BackboneEmbedder", "BlockWeights", "DenseEmbedder", "FungiTransformer"]
