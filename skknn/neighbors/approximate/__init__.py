"""Approximate search: ``_indexes`` of faiss, searches ``_tuned`` to a recall.

``_faiss_bytes`` keeps the rows of an index out of its bytes.
"""

from ._tuned import TunedSearch

__all__ = ["TunedSearch"]
