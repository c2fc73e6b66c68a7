"""Transformers: items -> rows of features for any scikit-learn estimator.

Both are thin. ``_image_transformer`` is what they share: the form of ``X``, the
backbone (``_backbone_loader``), threads or processes; ``_shared_parameters`` says what
their common parameters mean and may be. What a run needs goes into a piece of work
(``_work``), which this process or others hand to the extraction loop.
``FungiTransformer`` adds the state that ``fit`` draws, a PCA (``_block_rows``),
parameters of its objectives (``_objective_params``) and what can be looked at
(``_gradient_views``).
"""

from ._backbone_embedder import BackboneEmbedder
from ._dense_embedder import DenseEmbedder
from ._fungi_transformer import FungiTransformer

__all__ = ["BackboneEmbedder", "DenseEmbedder", "FungiTransformer"]
