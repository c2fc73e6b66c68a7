"""R: soft kNN votes, the weighted base classifier and their mixture.

``fit`` goes through stages, ordinary functions that a search over many parameters calls
as well: ``_inputs`` (what kNN side and base see of X and y, the
former through a ``_knn_transformer``), ``_labelled_index`` (rows
with classes, lists of neighbours, votes, each training row without itself; what tau is
for them in ``_temperature``), ``_modulation`` (leave-one-out votes to weights),
``_base`` (a base made and fitted with them, on an accelerator by ``_array_api``;
``_convergence`` keeps its solver's complaints; ``_guided_base`` does all of it),
``_mixture`` (its answers, checked, mixed with the votes). ``_parameters`` says which
values are allowed, ``_row_blocks`` how much is held at a time. Rows that come and go:
``_datastore`` and ``_joint_store``, with ids from ``_row_ids``. The estimators are
``_soft_knn``, with ``_neighbors_mixin``, ``_weighted_logistic``, and ``_joint``, with
``_changing_votes``.

R, here and wherever neighbours vote:
    M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking Nearest
    Neighbors for Visual Classification", 2021, https://arxiv.org/abs/2112.08459
"""

from ._base import BaseRecipe, fit_base, make_base
from ._inputs import (
    TrainingInputs,
    check_inputs,
    check_rows,
    check_target,
    refitted,
    see_rows,
)
from ._joint import JointKNNClassifier
from ._knn_transformer import KNNSideTransformer
from ._labelled_index import (
    LabelledIndex,
    clip_n_neighbors,
    count_rows,
    neighbor_blocks,
    resolve_n_neighbors,
)
from ._mixture import base_proba, mix_proba, mixable
from ._modulation import is_weighted, row_modulation, weigh_rows
from ._parameters import (
    JOINT_ALIASES,
    MIXTURE_PARAMETERS,
    SEARCH_PARAMETERS,
    VOTE_PARAMETERS,
    WEIGHT_PARAMETERS,
)
from ._soft_knn import SoftKNNClassifier, make_knn
from ._weighted_logistic import KNNWeightedLogisticRegression

__all__ = [
    "BaseRecipe",
    "JOINT_ALIASES",
    "MIXTURE_PARAMETERS",
    "SEARCH_PARAMETERS",
    "VOTE_PARAMETERS",
    "WEIGHT_PARAMETERS",
    "JointKNNClassifier",
    "KNNSideTransformer",
    "KNNWeightedLogisticRegression",
    "LabelledIndex",
    "SoftKNNClassifier",
    "TrainingInputs",
    "base_proba",
    "check_inputs",
    "check_rows",
    "check_target",
    "clip_n_neighbors",
    "count_rows",
    "fit_base",
    "is_weighted",
    "make_base",
    "make_knn",
    "mix_proba",
    "mixable",
    "neighbor_blocks",
    "refitted",
    "resolve_n_neighbors",
    "row_modulation",
    "see_rows",
    "weigh_rows",
]
