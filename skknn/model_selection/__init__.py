"""One neighbour search for a whole grid.

``_search_cv`` is the estimator. ``_settings`` says what each parameter changes,
``_candidates`` what each point of a grid shares with the others, ``_grid_checks`` what
is refused at once. ``_grid_run`` evaluates candidates on all splits (``_sequential``
stage by stage) and checks those that might be selected; ``_one_split`` fits each step
before the classifiers once and hands on to ``_sweeps``: ``_neighbor_lists`` for every k
and tau (``_predictions`` and ``_compiled_votes`` where classes are enough),
``_base_fits`` for the base classifiers, warm-started by ``_newton``. Scores come from
``_answers`` by ``_scoring``, or for every lambda at once by ``_lambda_path``;
``_split`` keeps them. R is cited as in ``classifiers``.

``_joint_cv`` is a classifier that runs such searches inside ``fit``
(``_joint_search``): ``_joint_grid`` makes their grid, ``_joint_rules`` takes a point of
each stage. ``_fit_groups`` brings groups to what is fitted; ``_remedies`` says what to
do about parameters.
"""

from ._joint_cv import JointKNNClassifierCV
from ._search_cv import NeighborSearchCV

__all__ = ["JointKNNClassifierCV", "NeighborSearchCV"]
