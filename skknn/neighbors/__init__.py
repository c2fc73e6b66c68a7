"""Neighbour search, leave-one-out lists and soft votes.

Data flow in this order: ``_preprocessing`` (centre, normalise), ``_index`` (metric,
engine, leave-one-out), an engine (``_brute``, ``_torch``, ``_fast``, ``_faiss``,
``_approximate``, ``_precomputed``, ``_external``; ``_auto`` chooses) with ``_exact``
(canonical distances and order) and ``_certified`` (the proof that nothing was missed),
``_votes`` (distances and labels to probabilities).
"""

from ._index import NeighborIndex
from ._votes import soft_votes, true_class_votes

__all__ = ["NeighborIndex", "soft_votes", "true_class_votes"]
