"""One neighbour search for a whole grid.

``_candidates`` says what each point of a grid shares with the others, ``_split`` and
``_sweeps`` evaluate all points on one split, with ``_base_fits`` for the base
classifiers, ``_lambda_path`` for every lambda at once and ``_scoring`` for the scores;
``_search_cv`` is the estimator.
"""

from ._search_cv import NeighborSearchCV

__all__ = ["NeighborSearchCV"]
