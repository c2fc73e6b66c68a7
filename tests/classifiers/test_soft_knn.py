import itertools
import math
import warnings

import numpy as np
import pytest
from references import leave_one_out_proba, soft_knn_proba
from scipy.stats import ortho_group
from sklearn.neighbors import KNeighborsClassifier

from skknn import SoftKNNClassifier
from skknn.classifiers._labelled_index import own_class_votes

METRICS = ["sqeuclidean", "euclidean", "cosine"]
KINDS = ["center-l2", "l2-center", "l2", None]


def own_class_proba(knn):
    """Leave-one-out probability of each training row's own class."""
    return own_class_votes(knn.index_, knn.n_neighbors_, knn.tau)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 90)
    X = rng.normal(size=(90, 6)) + 1.2 * rng.normal(size=(4, 6))[y] + 2
    return X[:70], y[:70], X[70:]


@pytest.mark.parametrize("preprocessing", KINDS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k, tau", [(1, 0.1), (5, 0.01), (13, 0.7), (70, 5.0)])
def test_probabilities_equal_plain_loops(blobs, metric, preprocessing, k, tau):
    X, y, queries = blobs
    knn = SoftKNNClassifier(k, tau=tau, metric=metric, preprocessing=preprocessing)
    got = knn.fit(X, y).predict_proba(queries)
    want = soft_knn_proba(X, y, queries, k, tau, metric, preprocessing)
    np.testing.assert_allclose(got, want, atol=1e-11)
    np.testing.assert_array_equal(knn.predict(queries), want.argmax(axis=1))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k, tau", [(1, 0.1), (5, 0.01), (69, 0.7)])
def test_leave_one_out_equals_plain_loops(blobs, metric, k, tau):
    X, y, _ = blobs
    knn = SoftKNNClassifier(k, tau=tau, metric=metric).fit(X, y)
    want = leave_one_out_proba(X, y, k, tau, metric)
    np.testing.assert_allclose(knn.predict_proba(None), want, atol=1e-11)
    np.testing.assert_array_equal(
        own_class_proba(knn), knn.predict_proba(None)[np.arange(len(y)), y]
    )


def test_leave_one_out_equals_n_fits_without_the_row(digits):
    # "l2" learns nothing from the rows, so a fit without one row is the same thing.
    X, y = digits[0][:300], digits[1][:300]
    knn = SoftKNNClassifier(8, preprocessing="l2").fit(X, y)
    got = knn.predict_proba(None)
    for i in range(0, 300, 7):
        keep = np.arange(300) != i
        one = SoftKNNClassifier(8, preprocessing="l2").fit(X[keep], y[keep])
        np.testing.assert_allclose(one.predict_proba(X[[i]])[0], got[i], atol=1e-12)


def test_leave_one_out_follows_a_permutation_of_the_rows(digits):
    X, y = digits
    order = np.random.default_rng(1).permutation(len(y))
    got = own_class_proba(SoftKNNClassifier(8).fit(X, y))
    moved = own_class_proba(SoftKNNClassifier(8).fit(X[order], y[order]))
    np.testing.assert_allclose(moved, got[order], atol=1e-9)


def test_leave_one_out_on_digits_has_the_known_quality(digits):
    # An off-by-one in the labels of later rows gives 0.694 and 6.60 instead.
    X, y = digits
    knn = SoftKNNClassifier(8, tau=0.1).fit(X, y)
    assert (knn.predict(None) == y).mean() == pytest.approx(0.9872, abs=5e-4)
    p = own_class_proba(knn)
    nll = np.minimum(-np.log(np.maximum(p, 1e-300)), 100).mean()
    assert nll == pytest.approx(0.3048, abs=5e-4)


@pytest.fixture(scope="module")
def untied(digits):
    """Digits without ties: other libraries break ties in another order."""
    noise = np.random.default_rng(0).normal(scale=1e-3, size=digits[0].shape)
    return digits[0] + noise, digits[1]


@pytest.mark.parametrize("metric", METRICS)
def test_small_tau_is_the_single_nearest_neighbour(blobs, metric):
    X, y, queries = blobs
    knn = SoftKNNClassifier(20, tau=1e-9, metric=metric).fit(X, y)
    nearest = SoftKNNClassifier(1, metric=metric).fit(X, y)
    np.testing.assert_array_equal(
        knn.predict_proba(queries), nearest.predict_proba(queries)
    )


@pytest.mark.parametrize("k", [1, 4, 20])
def test_infinite_tau_is_the_uniform_vote_of_scikit_learn(untied, k):
    X, y = untied
    ours = SoftKNNClassifier(k, tau=math.inf, preprocessing=None).fit(X[:900], y[:900])
    theirs = KNeighborsClassifier(k, weights="uniform").fit(X[:900], y[:900])
    np.testing.assert_allclose(
        ours.predict_proba(X[900:]), theirs.predict_proba(X[900:]), atol=1e-12
    )


def test_softmax_votes_of_scikit_learn_where_they_do_not_underflow(untied):
    X, y = untied
    theirs = KNeighborsClassifier(20, weights=lambda d: np.exp(-(d**2) / 0.5))
    theirs.fit(X[:900], y[:900])
    ours = SoftKNNClassifier(20, tau=0.5, preprocessing=None).fit(X[:900], y[:900])
    np.testing.assert_allclose(
        ours.predict_proba(X[900:]), theirs.predict_proba(X[900:]), atol=1e-10
    )


def test_cosine_temperature_is_half_the_squared_euclidean_one(digits):
    X, y = digits
    a = SoftKNNClassifier(20, tau=0.1, metric="sqeuclidean").fit(X[:900], y[:900])
    b = SoftKNNClassifier(20, tau=0.05, metric="cosine").fit(X[:900], y[:900])
    np.testing.assert_allclose(
        a.predict_proba(X[900:]), b.predict_proba(X[900:]), atol=1e-9
    )


def test_centre_l2_is_invariant_to_scale_shift_and_rotation(digits):
    X, y = digits
    rotation = ortho_group.rvs(64, random_state=0)
    moved = (37.0 * X + np.linspace(-5, 5, 64)) @ rotation
    a = SoftKNNClassifier(8).fit(X[:900], y[:900]).predict_proba(X[900:])
    b = SoftKNNClassifier(8).fit(moved[:900], y[:900]).predict_proba(moved[900:])
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_copies_vote_and_the_row_itself_does_not():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(12, 3)), 8, axis=0)
    y = np.arange(96) % 2  # of the 7 copies of a row, 3 share its label
    knn = SoftKNNClassifier(7, preprocessing=None).fit(X, y)
    np.testing.assert_allclose(own_class_proba(knn), 3 / 7)


def test_mean_number_of_neighbours_is_the_mean_class_size():
    X = np.random.default_rng(0).normal(size=(50, 3))
    y = np.repeat([0, 1, 2], [10, 15, 25])
    assert SoftKNNClassifier("mean").fit(X, y).n_neighbors_ == 17
    y = np.arange(50) // 2
    assert SoftKNNClassifier("mean").fit(X, y).n_neighbors_ == 2


def test_too_many_neighbours_are_clipped_with_a_warning():
    X, y = np.random.default_rng(0).normal(size=(6, 2)), [0, 1, 0, 1, 0, 1]
    with pytest.warns(UserWarning, match=r"n_neighbors=20 .* 6 rows .*n_neighbors=6"):
        knn = SoftKNNClassifier(20).fit(X, y)
    assert knn.n_neighbors_ == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert knn.predict_proba(None).shape == (6, 2)
        assert knn.kneighbors(X)[0].shape == (6, 6)
        assert knn.kneighbors()[0].shape == (6, 5)
    with pytest.warns(UserWarning, match="9 is more than the 5 rows"):
        assert knn.kneighbors(None, 9, return_distance=False).shape == (6, 5)


def test_kneighbors_units_and_forms(digits):
    X, y = digits
    knn = SoftKNNClassifier(5, preprocessing=None, metric="euclidean")
    knn.fit(X[:100], y[:100])
    distances, ids = knn.kneighbors(X[100:110], n_neighbors=3)
    want = np.linalg.norm(X[100:110, None] - X[ids], axis=2)
    np.testing.assert_allclose(distances, want)
    np.testing.assert_array_equal(
        ids, knn.kneighbors(X[100:110], 3, return_distance=False)
    )
    with pytest.raises(ValueError, match="n_neighbors=0 must be an int of at least 1"):
        knn.kneighbors(X, 0)


def test_mean_attribute_is_the_training_mean(digits):
    X, y = digits
    np.testing.assert_allclose(SoftKNNClassifier().fit(X, y).mean_, X.mean(axis=0))
    assert SoftKNNClassifier(preprocessing="l2").fit(X, y).mean_ is None


def test_log_probabilities_are_silent_about_zeros(digits):
    X, y = digits
    knn = SoftKNNClassifier(1).fit(X[:100], y[:100])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log = knn.predict_log_proba(X[:3])
    assert np.isneginf(log).any()


@pytest.mark.parametrize(
    "k, tau, dtype, metric",
    list(itertools.product([1, 2, 7, 80], [1e-4, 0.1, 10], ["f4", "f8"], METRICS)),
)
def test_corners_of_the_grid_end_without_nan(k, tau, dtype, metric):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5)).astype(dtype)
    X[:, 2] = 3.0  # constant column
    X[4] = X[9] = X[11]  # duplicates
    X[5] = 0.0
    y = np.repeat([0, 1, 2], [20, 19, 1])  # a class of one row
    for kind in KINDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # k is clipped
            warnings.simplefilter("error", RuntimeWarning)
            knn = SoftKNNClassifier(k, tau=tau, metric=metric, preprocessing=kind)
            knn.fit(X, y)
            for proba in (knn.predict_proba(X), knn.predict_proba(None)):
                assert np.isfinite(proba).all()
                np.testing.assert_allclose(proba.sum(axis=1), 1)
            assert own_class_proba(knn)[39] == 0


def test_all_rows_equal_vote_by_row_number():
    X, y = np.ones((6, 2)), [0, 1, 1, 1, 1, 1]
    knn = SoftKNNClassifier(1).fit(X, y)
    assert knn.predict([[1.0, 1.0]])[0] == 0
    np.testing.assert_array_equal(knn.kneighbors(None, 2)[1][0], [1, 2])


def test_n_jobs_does_not_change_a_bit(digits):
    X, y = digits
    one = SoftKNNClassifier(n_jobs=1).fit(X[:900], y[:900]).predict_proba(X[900:])
    two = SoftKNNClassifier(n_jobs=2).fit(X[:900], y[:900]).predict_proba(X[900:])
    np.testing.assert_array_equal(one, two)
