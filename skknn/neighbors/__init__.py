"""R: neighbour search, leave-one-out lists and soft votes.

Data flow in this order: ``_preprocessing`` (centre, normalise), ``_index`` (metric,
engine, leave-one-out), ``_brute`` (engine) with ``_exact`` (canonical distances and
order shared by every exact engine), ``_votes`` (distances and labels to
probabilities).
"""

from ._index import NeighborIndex
from ._votes import soft_votes, true_class_votes

__all__ = ["NeighborIndex", "soft_votes", "true_class_votes"]
