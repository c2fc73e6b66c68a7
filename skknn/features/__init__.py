"""Transformers: images -> rows of features for any scikit-learn estimator."""

from ._backbone_embedder import BackboneEmbedder
from ._fungi_transformer import FungiTransformer

__all__ = ["BackboneEmbedder", "FungiTransformer"]
