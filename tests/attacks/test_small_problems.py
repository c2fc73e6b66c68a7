"""Random small problems: votes against plain loops, searches against GridSearchCV."""

import os

import numpy as np
import pytest
from references import leave_one_out_proba, soft_knn_proba
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skknn import JointKNNClassifier, NeighborSearchCV, SoftKNNClassifier

# `make attack` multiplies.
TIMES = int(os.environ.get("SKKNN_ATTACK", "1"))


def problem(rng):
    """Rows, labels, queries, and how rows are prepared without a say of rounding.

    There are small whole numbers with many ties, copies, zeros, and rows far from zero.
    """
    n, d, n_classes = rng.integers(8, 40), rng.integers(1, 7), rng.integers(2, 4)
    y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)]
    X = rng.standard_normal((n + 10, d)) * 10.0 ** rng.integers(-3, 4)
    kind = rng.integers(5)
    if kind == 0:
        X = np.round(X / np.abs(X).max() * 2)
    elif kind == 1:
        X[rng.integers(len(X), size=n // 2)] = X[0]
    elif kind == 2:
        X[rng.integers(len(X), size=3)] = 0
    elif kind == 3:
        X += 1e4 * np.abs(X).max()
    prepared = {0: None, 4: str(rng.choice(["l2-center", "l2"]))}
    return X[:n], y, X[n:], prepared.get(kind, "center-l2")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("algorithm", ["brute", "torch"])
def test_votes_are_those_of_loops(algorithm):
    rng = np.random.default_rng(0)
    for number in range(30 * TIMES):
        X, y, queries, preprocessing = problem(rng)
        metrics = ["sqeuclidean", "euclidean", "cosine"][: 3 if preprocessing else 2]
        params = {"metric": rng.choice(metrics), "preprocessing": preprocessing}
        k, tau = int(rng.integers(1, len(X) - 1)), float(rng.choice([0.01, 0.1, 2]))
        knn = SoftKNNClassifier(k, tau=tau, algorithm=algorithm, **params).fit(X, y)
        found = [knn.predict_proba(queries), knn.predict_proba(None)]
        want = [
            soft_knn_proba(X, y, queries, k, tau, **params),
            leave_one_out_proba(X, y, k, tau, **params),
        ]
        for ours, theirs in zip(found, want):
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=str(number))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("joint", [False, True], ids=["votes", "mixture"])
def test_searches_are_those_of_grid_search(joint):
    rng = np.random.default_rng(1)
    for number in range((2 if joint else 5) * TIMES):
        X, y, _, _ = problem(rng)
        y[:6] = np.arange(6) % (y.max() + 1)
        grid = {
            "k": sorted(rng.choice(np.arange(1, 12), 3, replace=False).tolist()),
            "tau": [0.05, "scale", float(rng.choice([0.5, 2.0]))],
        }
        classifier = SoftKNNClassifier()
        if joint:
            classifier = JointKNNClassifier()
            grid |= {"alpha": [0, 0.1], "lambda": [0.0, 0.4]}
        cv = StratifiedKFold(2, shuffle=True, random_state=number)
        for scoring in ("accuracy", "neg_log_loss"):
            settings = {"scoring": scoring, "cv": cv}
            ours = NeighborSearchCV(classifier, grid, **settings).fit(X, y)
            theirs = GridSearchCV(classifier, grid, **settings).fit(X, y)
            assert (
                ours.cv_results_["params"][ours.best_index_] == theirs.best_params_
            ), number
            np.testing.assert_array_equal(
                ours.cv_results_["mean_test_score"],
                theirs.cv_results_["mean_test_score"],
            )
