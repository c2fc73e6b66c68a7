"""Refits of a grid's logistic regressions, against scikit-learn's own solvers."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import JointKNNClassifier, KNNWeightedLogisticRegression, NeighborSearchCV
from skknn.classifiers import make_base
from skknn.model_selection import _grid_run
from skknn.model_selection._base_fits import BaseFits
from skknn.model_selection._newton import LogisticPath


def data(n_classes, dtype=np.float64, seed=0, n_samples=240, n_features=7):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_samples) % n_classes)
    X = (
        rng.normal(size=(n_samples, n_features))
        + rng.normal(size=(n_classes, n_features))[y]
    )
    return X.astype(dtype), y


def start(X, y, C, fit_intercept, tol):
    clf = LogisticRegression(C=C, fit_intercept=fit_intercept).fit(X, y)
    return LogisticPath(
        X,
        y,
        clf.coef_,
        clf.intercept_,
        np.ones(len(X)),
        C=C,
        fit_intercept=fit_intercept,
        tol=tol,
    )


def fitted(base, X, y, weights, warm=True):
    """A base of the user's, fitted for these weights within a search."""
    recipe = make_base(JointKNNClassifier(estimator=base))
    return BaseFits(recipe, X, y, np.unique(y), [X], warm).get(weights)


def gradient(X, y, weights, coef, intercept, C, fit_intercept):
    """Gradient of the mean loss, row by row in float64."""
    n_classes = y.max() + 1
    sums = np.zeros((len(coef), X.shape[1] + 1))
    for row, label, weight in zip(X.astype(float), y, weights):
        scores = coef @ row + intercept
        if n_classes == 2:
            error = 1 / (1 + np.exp(-scores)) - label
        else:
            error = np.exp(scores - scores.max())
            error /= error.sum()
            error[label] -= 1
        sums += weight * np.outer(error, [*row, fit_intercept])
    sums[:, :-1] += coef / C
    return sums / weights.sum()


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_solutions_are_those_of_another_method(n_classes, fit_intercept, C):
    X, y = data(n_classes)
    path = start(X, y, C, fit_intercept, tol=1e-10)
    rng = np.random.default_rng(1)
    for spread in (0.01, 0.5, 3):
        weights = 1 + spread * rng.exponential(size=len(X))
        coef, intercept, _ = path.solve(weights, 1e-10)
        exact = LogisticRegression(
            C=C, fit_intercept=fit_intercept, solver="newton-cholesky", tol=1e-12
        ).fit(X, y, sample_weight=weights)
        want = exact.predict_proba(X)
        exact.coef_, exact.intercept_ = coef, intercept
        np.testing.assert_allclose(exact.predict_proba(X), want, atol=1e-7, rtol=0)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_tol_bounds_the_gradient(n_classes):
    X, y = data(n_classes)
    path = start(X, y, 1.0, True, tol=1e-6)
    for seed in range(5):
        weights = np.random.default_rng(seed).gamma(0.5, size=len(X)) + 0.01
        coef, intercept, _ = path.solve(weights, 1e-6)
        left = gradient(X, y, weights, coef, intercept, 1.0, True)
        assert np.abs(left).max() <= 1.01e-6


def test_rows_without_weight_do_not_count():
    X, y = data(3)
    path = start(X, y, 1.0, True, tol=1e-9)
    weights = np.ones(len(X))
    weights[::3] = 0
    coef, intercept, _ = path.solve(weights, 1e-9)
    kept = weights > 0
    left = gradient(X[kept], y[kept], weights[kept], coef, intercept, 1.0, True)
    assert np.abs(left).max() < 1.1e-9


def test_the_order_of_solving_matters_only_within_tol():
    X, y = data(4)
    rng = np.random.default_rng(0)
    weights = [1 + rng.exponential(size=len(X)) for _ in range(6)]
    forward = start(X, y, 1.0, True, tol=1e-9)
    backward = start(X, y, 1.0, True, tol=1e-9)
    first = [forward.solve(w, 1e-9)[0] for w in weights]
    second = [backward.solve(w, 1e-9)[0] for w in reversed(weights)][::-1]
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_float32_rows_stay_float32_and_near_the_exact_solution():
    X, y = data(5, np.float32)
    path = start(X, y, 1.0, True, tol=1e-6)
    weights = 1 + np.random.default_rng(1).exponential(size=len(X))
    coef, intercept, _ = path.solve(weights, 1e-6)
    assert coef.dtype == intercept.dtype == np.float32
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    exact.fit(X.astype(float), y, sample_weight=weights)
    want = exact.predict_proba(X.astype(float))
    exact.coef_, exact.intercept_ = coef.astype(float), intercept.astype(float)
    np.testing.assert_allclose(
        exact.predict_proba(X.astype(float)), want, atol=1e-4, rtol=0
    )


def test_a_solver_that_fails_gives_way_to_a_fit_from_nothing():
    # Separable, hardly penalised, badly scaled, and a tolerance out of reach.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) * [1, 1e4, 1e-4]
    y = (X[:, 0] > 0).astype(int)
    weights = rng.random(60)
    base = LogisticRegression(C=1e12, tol=1e-14, max_iter=50)
    assert start(X, y, 1e12, True, tol=1e-14).solve(weights, 1e-14)[0] is None
    warm = fitted(base, X, y, weights).estimator
    cold = fitted(base, X, y, weights, warm=False).estimator
    np.testing.assert_array_equal(warm.coef_, cold.coef_)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5, 2: 1.0}])
def test_class_weights(class_weight):
    X, y = data(3)
    kept = (y != 2) | (np.arange(len(y)) % 3 == 0)
    X, y = X[kept], y[kept]
    weights = 1 + np.random.default_rng(1).exponential(size=len(X))
    base = LogisticRegression(class_weight=class_weight, tol=1e-9, max_iter=5000)
    found = fitted(base, X, y, weights)
    exact = LogisticRegression(
        class_weight=class_weight, solver="newton-cholesky", tol=1e-12
    ).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        found.predict_proba(0), exact.predict_proba(X), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(
    "base",
    [
        LogisticRegression(solver="newton-cholesky"),
        LogisticRegression(l1_ratio=0.5, solver="saga", max_iter=5000),
        LogisticRegression(C=np.inf, max_iter=5000),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_other_logistic_regressions_are_left_to_their_own_solver(base):
    X, y = data(3)
    base.set_params(random_state=0)
    weights = 1 + np.random.default_rng(1).exponential(size=len(X))
    found = fitted(base, X, y, weights).estimator
    want = base.fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(found.coef_, want.coef_)


def search_data(name, digits):
    if name == "digits":
        return digits[0][:500], digits[1][:500]
    X, y = {"iris": load_iris, "cancer": load_breast_cancer}[name](return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
@pytest.mark.parametrize("name", ["digits", "iris", "cancer"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_large_grid_selects_what_cold_fits_select(
    name, scoring, dtype, digits, monkeypatch
):
    X, y = search_data(name, digits)
    X = X.astype(dtype)
    grid = {
        "k": [1, 4, 16, 64],
        "tau": [0.01, 0.1, 1],
        "alpha": [0, 0.01, 0.1, 1],
        "lambda": [0, 0.3, 0.6, 0.9],
    }
    cv = StratifiedKFold(2, shuffle=True, random_state=0)
    warm = NeighborSearchCV(JointKNNClassifier(), grid, scoring=scoring, cv=cv)
    warm.fit(X, y)
    monkeypatch.setattr(_grid_run, "_COLD_FITS", 10**9)
    cold = NeighborSearchCV(JointKNNClassifier(), grid, scoring=scoring, cv=cv)
    cold.fit(X, y)
    assert warm.best_params_ == cold.best_params_
    assert warm.best_score_ == cold.best_score_
    point = {name: [value] for name, value in warm.best_params_.items()}
    theirs = GridSearchCV(JointKNNClassifier(), point, scoring=scoring, cv=cv)
    assert warm.best_score_ == theirs.fit(X, y).best_score_
    np.testing.assert_allclose(
        warm.cv_results_["mean_test_score"],
        cold.cv_results_["mean_test_score"],
        atol=5 / len(X) if scoring == "accuracy" else 2e-4,
        rtol=0,
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_large_grids_over_pipelines_and_costs(digits):
    X, y = digits[0][:300], digits[1][:300]
    pipe = make_pipeline(StandardScaler(), KNNWeightedLogisticRegression())
    grid = {
        "knnweightedlogisticregression__k": [4, 16, 32],
        "knnweightedlogisticregression__tau": [0.1, 1],
        "knnweightedlogisticregression__alpha": [0.01, 0.1, 1],
        "knnweightedlogisticregression__C": [0.1, 1, 10],
    }
    cv = StratifiedKFold(2, shuffle=True, random_state=0)
    ours = NeighborSearchCV(pipe, grid, cv=cv).fit(X, y)
    theirs = GridSearchCV(pipe, grid, cv=cv).fit(X, y)
    assert ours.cv_results_["params"][ours.best_index_] == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_


@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("dtype, most", [(np.float64, 1e-3), (np.float32, 2e-2)])
def test_small_tables_and_heavy_weights_stay_within_the_documented_difference(
    dtype, most
):
    rng = np.random.default_rng(1)
    for C in (0.1, 1.0, 10.0):
        X, y = data(3, dtype, rng.integers(1000), int(rng.integers(30, 120)), 8)
        grid = {"k": [1, 3, 8], "tau": [0.01, 0.1, 1.0], "alpha": [0.01, 0.1, 1, 5, 10]}
        cv = StratifiedKFold(3, shuffle=True, random_state=0)
        settings = {"scoring": "neg_log_loss", "cv": cv}
        base = JointKNNClassifier(C=C, lam=0.3)
        warm = NeighborSearchCV(base, grid, **settings).fit(X, y)
        theirs = GridSearchCV(base, grid, **settings).fit(X, y)
        assert warm.cv_results_["params"][warm.best_index_] == theirs.best_params_
        assert warm.best_score_ == theirs.best_score_
        np.testing.assert_allclose(
            warm.cv_results_["mean_test_score"],
            theirs.cv_results_["mean_test_score"],
            atol=most,
            rtol=0,
        )
