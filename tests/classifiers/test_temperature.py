"""tau="scale", and the warning where votes are no longer soft."""

import warnings

import numpy as np
import pytest
from references import prepare
from scipy.spatial.distance import pdist
from sklearn.neighbors import KNeighborsTransformer
from sklearn.preprocessing import StandardScaler

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)


def rows(scale=1.0, n_samples=60, n_features=5):
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 3
    X = rng.normal(size=(n_samples, n_features)) + 2 * rng.normal(size=(3, 5))[y]
    return scale * X, y


def mean_distance(X, metric, preprocessing):
    """Over all pairs of rows, those of a row with itself included."""
    X, _ = prepare(X, X[:1], preprocessing)
    pairs = {"euclidean": "sqeuclidean"}.get(metric, metric)
    mean = 2 * pdist(X, pairs).sum() / len(X) ** 2
    return np.sqrt(mean) if metric == "euclidean" else mean


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("preprocessing", ["center-l2", "l2-center", "l2", None])
def test_scale_is_a_twentieth_of_the_typical_distance(metric, preprocessing):
    X, y = rows(7.0)
    knn = SoftKNNClassifier(
        8, tau="scale", metric=metric, preprocessing=preprocessing
    ).fit(X + 3, y)
    want = 0.05 * mean_distance(X + 3, metric, preprocessing)
    assert knn.tau_ == pytest.approx(want, rel=1e-10)
    number = SoftKNNClassifier(
        8, tau=knn.tau_, metric=metric, preprocessing=preprocessing
    ).fit(X + 3, y)
    np.testing.assert_array_equal(knn.predict_proba(None), number.predict_proba(None))


def test_scale_is_about_the_default_for_the_default_preprocessing(digits):
    assert SoftKNNClassifier(tau="scale").fit(*digits).tau_ == pytest.approx(
        0.1, rel=0.05
    )


def test_scale_follows_the_rows():
    X, y = rows()
    want = SoftKNNClassifier(8, tau="scale", preprocessing=None).fit(X, y)
    for scale in (1e-6, 1e6):
        knn = SoftKNNClassifier(8, tau="scale", preprocessing=None).fit(scale * X, y)
        np.testing.assert_allclose(
            knn.predict_proba(None), want.predict_proba(None), atol=1e-9
        )


def test_scale_of_equal_rows_and_zero_rows():
    X, y = np.ones((6, 2)), np.arange(6) % 2
    for preprocessing in (None, "center-l2"):
        knn = SoftKNNClassifier(3, tau="scale", preprocessing=preprocessing).fit(X, y)
        assert knn.tau_ == 1.0
        assert np.isfinite(knn.predict_proba(X)).all()
    X[:3] = 0
    knn = SoftKNNClassifier(3, tau="scale", metric="cosine", preprocessing=None)
    assert knn.fit(X, y).tau_ > 0


@pytest.mark.parametrize("cls", [KNNWeightedLogisticRegression, JointKNNClassifier])
def test_classifiers_with_a_base_weigh_rows_by_scale(cls):
    X, y = rows(5.0)
    settings = {"n_neighbors": 8, "preprocessing": None}
    tau = SoftKNNClassifier(tau="scale", **settings).fit(X, y).tau_
    found = cls(tau="scale", **settings).fit(X, y)
    want = cls(tau=tau, **settings).fit(X, y)
    np.testing.assert_array_equal(found.knn_proba_, want.knn_proba_)
    np.testing.assert_array_equal(found.predict_proba(X), want.predict_proba(X))


def test_scale_needs_rows():
    X, y = rows()
    graph = KNeighborsTransformer(n_neighbors=9, mode="distance").fit_transform(X)
    with pytest.raises(ValueError, match="tau='scale' needs rows.*Use a number"):
        SoftKNNClassifier(3, tau="scale", algorithm="precomputed").fit(graph, y)


def single_vote_warnings(clf, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y)
    return [w for w in caught if "this is 1-NN" in str(w.message)]


@pytest.mark.parametrize(
    "cls", [SoftKNNClassifier, JointKNNClassifier, KNNWeightedLogisticRegression]
)
def test_unscaled_rows_that_make_1_nn_are_reported_once(cls, digits):
    X, y = digits[0][:500] * 16, digits[1][:500]
    (warning,) = single_vote_warnings(cls(preprocessing=None), X, y)
    message = str(warning.message)
    knn = SoftKNNClassifier(preprocessing=None, tau="scale").fit(X, y)
    assert f"tau='scale' (here {knn.tau_:.3g})" in message
    assert "preprocessing=None and tau=0.1" in message
    if cls is SoftKNNClassifier:
        assert warning.filename == __file__
        # What is said is so.
        distances, _ = knn.kneighbors()
        first = np.exp(-(distances[:, 1] - distances[:, 0]) / 0.1)
        assert np.mean(first < 0.01) > 0.9


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"tau": 0.001},  # of R's grid, for rows of length 1
        {"preprocessing": None, "tau": "scale"},
        {"preprocessing": None, "tau": 100.0},
        {"preprocessing": None, "n_neighbors": 1},
        {"preprocessing": None, "metric": "cosine"},
    ],
)
def test_soft_votes_are_not_reported(params, digits):
    X, y = digits[0][:500] * 16, digits[1][:500]
    assert not single_vote_warnings(SoftKNNClassifier(**params), X, y)


@pytest.mark.parametrize("tau", [0.001, 0.1])
def test_rows_that_were_prepared_are_not_reported(tau, digits):
    X, y = digits[0][:500], digits[1][:500]
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    knn = SoftKNNClassifier(tau=tau, preprocessing=None)
    assert not single_vote_warnings(knn, X, y)


def test_few_columns_leave_votes_soft():
    X, y = rows()
    knn = SoftKNNClassifier(preprocessing=None, tau=0.1)
    assert not single_vote_warnings(knn, StandardScaler().fit_transform(X[:, :2]), y)
