"""Transformers: images -> rows of features for any scikit-learn estimator."""

from ._backbone_embedder import BackboneEmbedder

__all__ = ["BackboneEmbedder"]
