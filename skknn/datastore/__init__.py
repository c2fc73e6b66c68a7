"""What votes: prepared rows with their groups, and what their neighbours say.

Rows flow through ``_index`` (metric, leave-one-out, rows that come and go), which
prepares them (``_preprocessing``), keeps the rows of a group apart (``_groups``) and
asks an engine of ``neighbors``; graphs that were searched already are read by
``_precomputed``. ``_votes`` turns lists of neighbours into probabilities of classes.
"""

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
    "METRICS",
    "PREPROCESSINGS",
    "Groups",
    "NeighborIndex",
    "Preprocessor",
    "check_graph",
    "soft_votes",
    "sorted_gaps",
    "true_class_votes",
    "vote_weights",
    "walk_soft_votes",
    "walk_true_class_votes",
]
