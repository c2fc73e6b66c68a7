import numpy as np
import pytest
import sklearn
from references import leave_one_out_proba, minimise_weighted_logistic
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skknn import JointKNNClassifier, KNNWeightedLogisticRegression


@pytest.fixture(scope="module", params=["three classes", "two classes"])
def problem(request):
    load = load_iris if request.param == "three classes" else load_breast_cancer
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return X[::2], y[::2]


@pytest.mark.parametrize("C", [0.1, 1.0])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_tight_tolerance_reaches_the_exact_minimiser(problem, alpha, C):
    X, y = problem
    clf = KNNWeightedLogisticRegression(20, alpha=alpha, C=C, tol=1e-9).fit(X, y)
    p = leave_one_out_proba(X, y, 20, 0.1)[np.arange(len(y)), y]
    m = np.minimum(-np.log(np.maximum(p, 1e-300)), 100)
    np.testing.assert_allclose(clf.knn_proba_, p, atol=1e-11)
    np.testing.assert_allclose(clf.modulation_, m, atol=1e-9)
    np.testing.assert_allclose(clf.sample_weight_, 1 + alpha * m, atol=1e-9)
    want = minimise_weighted_logistic(X, y, 1 + alpha * m, C, y.max() + 1)
    np.testing.assert_allclose(clf.predict_proba(X), want, atol=1e-6)


def test_default_tolerance_bounds_the_gradient(problem):
    """What tol promises: the gradient of the mean weighted loss, entry by entry."""
    X, y = problem
    clf = KNNWeightedLogisticRegression(20, alpha=1.0, C=0.5).fit(X, y)
    w = clf.sample_weight_
    coef = clf.coef_
    residual = clf.predict_proba(X) - np.eye(y.max() + 1)[y]
    if len(coef) == 1:
        residual = residual[:, 1:]
    gradient = (w[:, None] * residual).T @ X + coef / 0.5
    assert np.abs(gradient).max() / w.sum() <= 1e-6
    assert np.abs((w[:, None] * residual).sum(axis=0)).max() / w.sum() <= 1e-6


def small_table(rng):
    """Standardised rows, of iris or made up, and classes that overlap or not."""
    if rng.random() < 0.5:
        X, y = load_iris(return_X_y=True)
        some = rng.permutation(len(y))[: rng.integers(12, len(y))]
        X, y = X[some], np.unique(y[some], return_inverse=True)[1]
    else:
        n_classes, n_features = rng.integers(2, 5), rng.integers(1, 15)
        y = np.arange(rng.integers(12, 200)) % n_classes
        centres = rng.choice([0, 0.5, 2]) * rng.standard_normal((4, n_features))
        X = rng.standard_normal((len(y), n_features)) + centres[y]
    return StandardScaler().fit_transform(X), y


@pytest.mark.filterwarnings("ignore:.*no neighbour of their own class")
@pytest.mark.parametrize("alpha, most", [(0.01, 1e-4), (1.0, 3e-4), (10.0, 3e-3)])
def test_the_distance_to_the_minimiser_is_the_documented_one(alpha, most):
    rng = np.random.default_rng(0)
    for _ in range(15):
        X, y = small_table(rng)
        k, tau = int(rng.integers(1, 8)), rng.choice([0.01, 0.1, 1.0])
        for C in (0.1, 1.0):
            params = {"n_neighbors": k, "tau": tau, "alpha": alpha, "C": C}
            for tol, bound in ((1e-6, most), (1e-9, 1e-5)):
                clf = KNNWeightedLogisticRegression(**params, tol=tol).fit(X, y)
                weights, n_classes = clf.sample_weight_, len(clf.classes_)
                want = minimise_weighted_logistic(X, y, weights, C, n_classes)
                np.testing.assert_allclose(clf.predict_proba(X), want, atol=bound)


def test_default_settings_reach_1e_6_on_normalised_rows_with_small_c():
    X, y = load_iris(return_X_y=True)
    X = X - X.mean(axis=0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    clf = KNNWeightedLogisticRegression(C=0.01).fit(X, y)
    want = minimise_weighted_logistic(X, y, clf.sample_weight_, 0.01, 3)
    np.testing.assert_allclose(clf.predict_proba(X), want, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_documented_options_reach_1e_8(problem, alpha):
    X, y = problem
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    clf = JointKNNClassifier(alpha=alpha, lam=0, estimator=newton).fit(X, y)
    want = minimise_weighted_logistic(X, y, clf.sample_weight_, 1.0, y.max() + 1)
    np.testing.assert_allclose(clf.predict_proba(X), want, atol=1e-8)


def test_alpha_zero_is_bitwise_the_unweighted_base(digits):
    X, y = digits
    clf = KNNWeightedLogisticRegression(alpha=0.0).fit(X[:500], y[:500])
    base = LogisticRegression(C=1.0, max_iter=1000, tol=1e-6).fit(X[:500], y[:500])
    np.testing.assert_array_equal(clf.coef_, base.coef_)
    np.testing.assert_array_equal(clf.intercept_, base.intercept_)
    np.testing.assert_array_equal(clf.n_iter_, base.n_iter_)
    np.testing.assert_array_equal(clf.predict_proba(X), base.predict_proba(X))
    np.testing.assert_array_equal(clf.decision_function(X), base.decision_function(X))


def test_integer_weights_equal_repeated_rows():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    times = np.random.default_rng(0).integers(1, 5, len(y))
    clf = KNNWeightedLogisticRegression(
        modulation=lambda p: times.astype(float), tol=1e-9
    ).fit(X, y)
    repeated = LogisticRegression(tol=1e-9, max_iter=1000)
    repeated.fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(
        clf.predict_proba(X), repeated.predict_proba(X), atol=1e-6
    )


def test_focal_weights_reach_the_base():
    X, y = load_iris(return_X_y=True)
    clf = KNNWeightedLogisticRegression(
        modulation="focal", gamma=1.5, tau=1.0, tol=1e-10, max_iter=10_000
    ).fit(X, y)
    p = leave_one_out_proba(X, y, 20, 1.0)[np.arange(len(y)), y].clip(0, 1)
    np.testing.assert_allclose(clf.sample_weight_, (1 - p) ** 1.5, atol=1e-11)
    base = LogisticRegression(tol=1e-10, max_iter=10_000)
    base.fit(X, y, sample_weight=(1 - p) ** 1.5)
    np.testing.assert_allclose(clf.predict_proba(X), base.predict_proba(X), atol=1e-6)


def test_class_weight_multiplies_row_weights():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)[:120]
    y = y[:120]
    weight = {0: 2.0, 1: 1.0, 2: 5.0}
    clf = KNNWeightedLogisticRegression(alpha=0.5, class_weight=weight, tol=1e-9)
    clf.fit(X, y)
    total = clf.sample_weight_ * np.array([weight[c] for c in y])
    want = minimise_weighted_logistic(X, y, total, 1.0, 3)
    np.testing.assert_allclose(clf.predict_proba(X), want, atol=1e-6)


def test_fit_intercept_false(digits):
    X, y = digits
    clf = KNNWeightedLogisticRegression(fit_intercept=False).fit(X[:300], y[:300])
    np.testing.assert_array_equal(clf.intercept_, 0)


def test_float32_is_not_turned_into_float64(digits):
    X, y = digits
    small = KNNWeightedLogisticRegression().fit(X[:500].astype("f4"), y[:500])
    large = KNNWeightedLogisticRegression().fit(X[:500], y[:500])
    # Before scikit-learn 1.9 its solver returned float64 for float32 rows.
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        assert small.coef_.dtype == np.float32
    np.testing.assert_allclose(
        small.predict_proba(X.astype("f4")), large.predict_proba(X), atol=5e-3
    )


def test_the_lowest_probabilities_are_the_mislabelled_rows(digits):
    X, y = digits[0][:600], digits[1][:600].copy()
    wrong = np.arange(0, 600, 60)
    y[wrong] = (y[wrong] + 1) % 10
    clf = KNNWeightedLogisticRegression(20).fit(X, y)
    assert set(wrong) <= set(np.argsort(clf.knn_proba_)[:60])
