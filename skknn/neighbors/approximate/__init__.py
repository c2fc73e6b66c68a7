"""Approximate search: a faiss index proposes, float64 differences measure and sort.

``_tuned`` doubles the effort of a search until its recall on training rows is good;
``_indexes`` says how an index is built and what effort means to it.
"""

from ._tuned import TunedSearch

__all__ = ["TunedSearch"]
