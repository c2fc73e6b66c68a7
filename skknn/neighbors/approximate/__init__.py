"""Approximate search: ``_indexes`` of faiss, searches ``_tuned`` to a recall."""

from ._tuned import TunedSearch

__all__ = ["TunedSearch"]
