"""Approximate search: a faiss index proposes, float64 differences measure and sort.

``_indexes`` builds an index, ``_tuned`` doubles the effort of a search until its recall
on training rows is good.
"""

from ._tuned import TunedSearch

__all__ = ["TunedSearch"]
