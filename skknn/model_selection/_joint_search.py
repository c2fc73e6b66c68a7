"""The two searches of JointKNNClassifierCV: votes alone, then base and shares."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.pipeline import Pipeline

from ..classifiers import JointKNNClassifier, KNNSideTransformer, make_knn
from ._grid_checks import Splits
from ._joint_rules import JointChoice
from ._scoring import own_log_loss
from ._search_cv import NeighborSearchCV

Grid = dict[str, list[Any]]
Table = dict[str, Any]

_OF_VOTES = ("n_neighbors", "tau")


@dataclass(frozen=True)
class Found:
    """What was chosen, and from what.

    Attributes
    ----------
    table : dict of ndarrays
        ``cv_results_`` of both searches.
    best_index : int
    best_params : dict
    best_estimator : JointKNNClassifier
        Fitted on all rows.
    refit_time : float
    """

    table: Table
    best_index: int
    best_params: dict[str, Any]
    best_estimator: JointKNNClassifier
    refit_time: float


class _Search(NeighborSearchCV):
    """A search whose classifiers get groups, whatever metadata routing says."""

    _groups: Any = None

    def leaving_out(self, groups: Any) -> Self:
        """Set the groups."""
        self._groups = groups
        return self

    def _groups_to_leave_out(self, routed: Any) -> Any:
        return self._groups


def find_parameters(
    joint: JointKNNClassifier,
    grid: Grid,
    X: Any,
    y: NDArray[Any],
    *,
    splits: Splits,
    scorer: Any,
    choice: JointChoice,
    score_params: dict[str, Any],
    groups: Any,
    n_jobs: int | None,
    verbose: int,
) -> Found:
    """Choose k and tau, then what the base takes, then lambda; fit with all of them.

    Parameters
    ----------
    joint : JointKNNClassifier
        Unfitted, with all parameters that are given.
    grid : dict str -> list
        Values of the others.
    X : array-like of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    splits : list of (train, test)
    scorer : callable
    choice : JointChoice
    score_params : dict
        For the scorer.
    groups : array-like of shape (n_samples,) or None
        Rows that do not vote for each other where one is left out.
    n_jobs : int or None
    verbose : int

    Returns
    -------
    Found
    """
    settings: dict[str, Any] = {
        "scoring": {"score": scorer, "neg_log_loss": own_log_loss},
        "cv": splits,
        "n_jobs": n_jobs,
        "verbose": verbose,
        "error_score": "raise",
    }
    of_votes = {name: grid[name] for name in _OF_VOTES}
    votes, prefix = _votes_alone(joint)
    votes_grid = {prefix + name: values for name, values in of_votes.items()}
    first = _Search(votes, votes_grid, refit=False, **settings).leaving_out(groups)
    table = _without_prefix(first.fit(X, y, **score_params).cv_results_, prefix)
    chosen = {n: [v] for n, v in table["params"][choice(table)].items()}
    second = _Search(
        joint, {**grid, **chosen}, strategy="sequential", refit=choice, **settings
    ).leaving_out(groups)
    second.fit(X, y, **score_params)
    table["stage"] = ["knn"] * len(table["params"])
    return Found(
        table=_joined(table, second.cv_results_),
        best_index=len(table["params"]) + second.best_index_,
        best_params=second.best_params_,
        best_estimator=second.best_estimator_,
        refit_time=second.refit_time_,
    )


def _votes_alone(joint: JointKNNClassifier) -> tuple[Any, str]:
    """The kNN side as a classifier, and what stands before its parameter names."""
    knn = make_knn(joint)
    if joint.knn_transformer is None:
        return knn, ""
    side = KNNSideTransformer(joint.knn_transformer)
    return Pipeline([("knn_transformer", side), ("votes", knn)]), "votes__"


def _without_prefix(table: Table, prefix: str) -> Table:
    renamed = {
        key.replace(f"param_{prefix}", "param_", 1): column
        for key, column in table.items()
    }
    renamed["params"] = [
        {name.removeprefix(prefix): value for name, value in params.items()}
        for params in table["params"]
    ]
    return renamed


def _joined(first: Table, second: Table) -> Table:
    """One table below the other; parameters that a part lacks are masked there."""
    n_first, n_second = len(first["params"]), len(second["params"])
    joined: Table = {}
    for key, column in second.items():
        if key == "params":
            joined[key] = first[key] + column
        elif key == "stage":
            joined[key] = [*first[key], *column]
        elif key.startswith("param_"):
            empty: Any = np.ma.masked_all(n_first, dtype=object)
            above = first.get(key, empty).astype(object)
            joined[key] = np.ma.concatenate([above, column.astype(object)])
        elif key.startswith("rank_"):
            name = key.removeprefix("rank_")
            means = np.concatenate([first[f"mean_{name}"], second[f"mean_{name}"]])
            joined[key] = rankdata(-means, method="min").astype(np.int32)
        else:
            joined[key] = np.concatenate([first[key], column])
    assert all(len(column) == n_first + n_second for column in joined.values())
    return joined
