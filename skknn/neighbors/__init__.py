"""Neighbour search, leave-one-out lists and soft votes.

Data flow in this order: ``_preprocessing`` (centre, normalise), ``_index`` (metric,
engine, leave-one-out), an engine (``_brute``, ``_torch``, ``_fast``, ``_faiss``,
``_approximate``, ``_precomputed``, ``_external``; ``_auto`` chooses) with ``_exact``
(canonical distances and order) and ``_certified`` (the proof that nothing was missed),
``_votes`` (distances and labels to probabilities).

The fast engine in its order: ``_fast_levels`` (which form of the base), ``_fast_rows``
and ``_fast_projected`` (the forms), ``_fast_scan`` and ``_fast_kernels`` (what is
kept), ``_fast_rank`` and ``_fast_sums`` (distances of these).
"""

from ._index import (
    ALGORITHMS,
    APPROXIMATE,
    METRICS,
    PREPROCESSINGS,
    NeighborIndex,
)
from ._precomputed import check_graph
from ._predictions import Predictions
from ._votes import (
    soft_votes,
    sorted_gaps,
    true_class_votes,
    vote_weights,
    walk_soft_votes,
    walk_true_class_votes,
)

__all__ = [
    "ALGORITHMS",
    "APPROXIMATE",
    "METRICS",
    "PREPROCESSINGS",
    "NeighborIndex",
    "Predictions",
    "check_graph",
    "soft_votes",
    "sorted_gaps",
    "true_class_votes",
    "vote_weights",
    "walk_soft_votes",
    "walk_true_class_votes",
]
