"""NeighborSearchCV against GridSearchCV, point by point."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)

CV = StratifiedKFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def small(digits):
    return digits[0][:360], digits[1][:360]


def both(estimator, grid, X, y, **settings):
    settings = {"cv": CV, **settings}
    ours = NeighborSearchCV(estimator, grid, **settings).fit(X, y)
    theirs = GridSearchCV(estimator, grid, **settings).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    return ours, theirs


def split_scores(search, name="score"):
    keys = [f"split{i}_test_{name}" for i in range(search.n_splits_)]
    return np.array([search.cv_results_[key] for key in keys])


@parametrize_with_checks(
    [NeighborSearchCV(SoftKNNClassifier(), {"n_neighbors": [2, 4]}, cv=2)],
    expected_failed_checks=lambda estimator: {},
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_every_k_and_tau_of_the_paper_to_the_bit(digits, scoring):
    X, y = digits[0][:500], digits[1][:500]
    tens = [round(0.01 * i, 2) for i in range(1, 11)]
    grid = {
        "k": [*(2**i for i in range(9)), "mean"],
        "tau": sorted({0.001, 1, 10, *tens, *(round(10 * t, 1) for t in tens)}),
    }
    ours, theirs = both(SoftKNNClassifier(), grid, X, y, scoring=scoring)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))
    assert ours.cv_results_["params"][ours.best_index_] == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    np.testing.assert_array_equal(
        ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
    )
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("preprocessing", [None, "l2-center"])
def test_metrics_and_preprocessings_to_the_bit(small, metric, preprocessing):
    knn = SoftKNNClassifier(metric=metric, preprocessing=preprocessing)
    ours, theirs = both(knn, {"k": [1, 3, 9], "tau": [0.02, 0.4]}, *small)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))


@pytest.mark.parametrize("modulation", ["nll", "focal"])
def test_joint_grids(small, modulation):
    joint = JointKNNClassifier(modulation=modulation)
    grid = {
        "k": [4, 16],
        "tau": [0.1, 1.0],
        "C": [0.1, 1.0],
        "lambda": [0.0, 0.3, 0.9, 1.0],
        **({"alpha": [0, 0.05]} if modulation == "nll" else {"gamma": [1, 2]}),
    }
    scoring = ["accuracy", "neg_log_loss"]
    ours, theirs = both(joint, grid, *small, scoring=scoring, refit="neg_log_loss")
    np.testing.assert_array_equal(
        split_scores(ours, "accuracy"), split_scores(theirs, "accuracy")
    )
    np.testing.assert_allclose(
        split_scores(ours, "neg_log_loss"),
        split_scores(theirs, "neg_log_loss"),
        atol=1e-8,
        rtol=0,
    )
    assert ours.cv_results_["params"][ours.best_index_] == theirs.best_params_


def test_weighted_logistic_regression(small):
    grid = {"k": [8], "tau": [0.1, 1.0], "alpha": [0, 0.1], "C": [0.3, 3]}
    ours, theirs = both(KNNWeightedLogisticRegression(), grid, *small)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))


def test_nested_pipelines_and_parameters_of_other_steps(small):
    pipe = make_pipeline(
        StandardScaler(),
        Pipeline([("pca", PCA(10, random_state=0)), ("clf", SoftKNNClassifier())]),
    )
    grid = [
        {"pipeline__clf__k": [2, 6], "pipeline__pca__n_components": [5, 12]},
        {"pipeline__clf__temperature": [0.05, 0.5]},
    ]
    ours, theirs = both(pipe, grid, *small)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))
    for key in theirs.cv_results_:
        if key.startswith("param_"):
            want = theirs.cv_results_[key]
            np.testing.assert_array_equal(ours.cv_results_[key].mask, want.mask)


def test_parameters_of_a_base_of_ones_own(small):
    joint = JointKNNClassifier(8, estimator=LogisticRegression(tol=1e-6, max_iter=1000))
    grid = {"estimator__C": [0.1, 2], "alpha": [0, 0.1], "lam": [0.2, 0.7]}
    ours, theirs = both(joint, grid, *small)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))


def test_groups_and_jobs(small):
    X, y = small
    groups = np.random.default_rng(0).integers(0, 40, len(y))
    grid = {"k": [1, 4], "tau": [0.1, 0.5]}
    cv = StratifiedGroupKFold(3)
    theirs = GridSearchCV(SoftKNNClassifier(), grid, cv=cv).fit(X, y, groups=groups)
    for n_jobs in (None, 2):
        ours = NeighborSearchCV(SoftKNNClassifier(), grid, cv=cv, n_jobs=n_jobs)
        ours.fit(X, y, groups=groups)
        np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))


def test_leave_one_out_scores(small):
    X, y = small
    grid = {"k": [1, 5, 20], "tau": [0.05, 0.5]}
    search = NeighborSearchCV(SoftKNNClassifier(), grid, cv="loo").fit(X, y)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"]
    ):
        knn = SoftKNNClassifier().set_params(**params).fit(X, y)
        assert score == pytest.approx((knn.predict(None) == y).mean(), abs=1e-12)
    with pytest.raises(ValueError, match="loo"):
        NeighborSearchCV(JointKNNClassifier(), {"lam": [0.5]}, cv="loo").fit(X, y)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_the_path_of_lambda_is_never_worse_than_a_grid(small, scoring):
    X, y = small
    joint = JointKNNClassifier(8, alpha=0)
    path = NeighborSearchCV(joint, {"lambda": "path"}, cv=CV, scoring=scoring).fit(X, y)
    grid = {"lambda": np.linspace(0, 1, 21).tolist()}
    dense = GridSearchCV(joint, grid, cv=CV, scoring=scoring).fit(X, y)
    assert path.best_score_ >= dense.best_score_ - 1e-12
    assert 0 <= path.best_params_["lam"] <= 1
    assert path.best_estimator_.lam == path.best_params_["lam"]


def test_sequential_finds_good_points_among_few(small):
    X, y = small
    grid = {
        "k": [1, 4, 16],
        "tau": [0.05, 0.5],
        "alpha": [0, 0.01],
        "lambda": [0.2, 0.5, 0.8],
    }
    joint = JointKNNClassifier()
    search = NeighborSearchCV(joint, grid, cv=CV, strategy="sequential").fit(X, y)
    assert len(search.cv_results_["params"]) < 36
    worst = GridSearchCV(joint, grid, cv=CV, refit=False).fit(X, y)
    scores = worst.cv_results_["mean_test_score"]
    assert search.best_score_ >= np.median(scores)


@pytest.mark.parametrize("algorithm", ["brute", "fast"])
def test_predictions_without_probabilities_score_the_same(small, algorithm):
    # Accuracy needs no probabilities after the first score; others always do.
    knn = SoftKNNClassifier(algorithm=algorithm)
    grid = {"k": [1, 2, 3, 40, 200, 239], "tau": [0.001, 0.05, 1.0, np.inf]}
    X, y = small
    if algorithm == "fast":
        pytest.importorskip("numba")
    for settings in (
        {"scoring": None, "return_train_score": True},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"},
        {"scoring": ["accuracy", "balanced_accuracy"], "refit": "accuracy"},
    ):
        ours, theirs = both(knn, grid, X.round(), y, **settings)  # many ties
        keys = [key for key in theirs.cv_results_ if key.startswith("split")]
        assert len(keys) >= 6
        for key in keys:
            np.testing.assert_array_equal(
                ours.cv_results_[key], theirs.cv_results_[key]
            )


@pytest.mark.parametrize(
    "estimator",
    [SoftKNNClassifier(), JointKNNClassifier(), KNNWeightedLogisticRegression()],
)
@pytest.mark.filterwarnings("ignore:.*this is 1-NN")
def test_scale_among_temperatures(estimator, small):
    """Each training part has a scale of its own."""
    X, y = small
    grid = {"k": [1, 4], "tau": [0.1, "scale", 5.0], "preprocessing": [None, "l2"]}
    ours, theirs = both(estimator, grid, 16 * X, y)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))
    assert ours.cv_results_["params"][ours.best_index_] == theirs.best_params_
    names = [params["tau"] for params in ours.cv_results_["params"]]
    assert names.count("scale") == 4


def test_names_without_the_step_in_front():
    X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
    pipe = make_pipeline(StandardScaler(), JointKNNClassifier())
    for name in ("k", "n_neighbors", "lam"):
        with pytest.raises(
            ValueError, match=f"last step.*'jointknnclassifier__{name}'"
        ):
            NeighborSearchCV(pipe, {name: [3]}).fit(X, y)
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'") as caught:
        NeighborSearchCV(pipe, {"nonsense": [3]}).fit(X, y)
    assert "last step" not in str(caught.value)
