"""Neighbour search, leave-one-out lists and soft votes.

Rows flow through ``_index`` (metric, leave-one-out), ``_preprocessing``, ``_rows``
(what searches need to know of them), an engine, and ``_votes`` (to probabilities).
``_engine`` says what an engine offers, ``_engines`` makes it by name, ``_auto``
chooses: those in ``exact``, in ``approximate`` (may miss some), ``_external`` (a
user's). ``_precomputed``: graphs. ``_groups``: rows left out together.
"""

from ._engines import ALGORITHMS, APPROXIMATE
from ._groups import Groups
from ._index import METRICS, NeighborIndex
from ._precomputed import check_graph
from ._preprocessing import PREPROCESSINGS, Preprocessor
from ._votes import (
    soft_votes,
    sorted_gaps,
    true_class_votes,
    vote_weights,
    walk_soft_votes,
    walk_true_class_votes,
)

__all__ = [
    "ALGORITHMS", "APPROXIMATE", "METRICS", "PREPROCESSINGS", "Groups",
    "NeighborIndex", "Preprocessor", "check_graph", "soft_votes", "sorted_gaps",
    "true_class_votes", "vote_weights", "walk_soft_votes", "walk_true_class_votes",
]  # fmt: skip
