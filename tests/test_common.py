"""scikit-learn's own conformance suite, and life inside its tools."""

import math
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, top_k_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)

pl = pytest.importorskip("polars")

CLASSIFIERS = [
    SoftKNNClassifier(),
    KNNWeightedLogisticRegression(),
    JointKNNClassifier(),
]
EXPECTED_FAILED_CHECKS = {}


@parametrize_with_checks(
    CLASSIFIERS, expected_failed_checks=lambda e: EXPECTED_FAILED_CHECKS
)
@pytest.mark.filterwarnings("ignore:n_neighbors=:UserWarning")
@pytest.mark.filterwarnings("ignore:.*carry:UserWarning")
def test_check_estimator(estimator, check):
    check(estimator)


def test_check_estimator_with_the_array_api_switched_on():
    """The switch is read when scipy loads, hence another process."""
    code = (
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "from skknn import (SoftKNNClassifier, KNNWeightedLogisticRegression,\n"
        "    JointKNNClassifier)\n"
        "for e in (SoftKNNClassifier(), KNNWeightedLogisticRegression(),\n"
        "          JointKNNClassifier()):\n"
        "    results = check_estimator(e, on_skip=None)\n"
        "    assert len(results) > 50\n"
        "    assert all(r['status'] == 'passed' for r in results), results\n"
        "print('all passed')\n"
    )
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
    )
    assert out.stdout == "all passed\n", out.stderr


@pytest.fixture(scope="module")
def small(digits):
    return digits[0][:240], digits[1][:240]


@pytest.fixture(params=CLASSIFIERS, ids=lambda e: type(e).__name__)
def classifier(request):
    return clone(request.param).set_params(n_neighbors=5)


def test_clone_and_pickle(classifier, small):
    X, y = small
    fitted = clone(classifier).fit(X, y)
    assert repr(clone(fitted)) == repr(classifier)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(fitted.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize(
    "frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"]
)
def test_frames_keep_their_names(classifier, small, frame):
    X, y = small
    names = [f"pixel {i}" for i in range(64)]
    table = frame(dict(zip(names, X.T)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = clone(classifier).fit(table, y)
        got = fitted.predict_proba(table)
    np.testing.assert_array_equal(fitted.feature_names_in_, names)
    np.testing.assert_allclose(got, clone(classifier).fit(X, y).predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame(dict(zip(names[::-1], X.T))))


@pytest.mark.parametrize("kind", [str, object, "U", "category", bool])
def test_labels_of_any_kind(classifier, small, kind):
    X, y = small
    keep = y < (2 if kind is bool else 4)
    X, y = X[keep], y[keep]
    words = np.array(["zero", "one", "two", "three"])[y]
    labels = {
        str: list(words),
        object: words.astype(object),
        "U": words,
        "category": pd.Series(words, dtype="category"),
        bool: y.astype(bool),
    }[kind]
    fitted = clone(classifier).fit(X, labels)
    np.testing.assert_array_equal(fitted.classes_, np.unique(np.asarray(labels)))
    assert fitted.score(X, labels) > 0.95
    assert set(fitted.predict(X)) <= set(np.asarray(labels))


def test_pipelines_with_set_output(classifier, small):
    X, y = small
    pipe = make_pipeline(StandardScaler(), PCA(12), clone(classifier))
    pipe.set_output(transform="pandas")
    pipe.fit(pd.DataFrame(X, columns=[f"c{i}" for i in range(64)]), y)
    assert pipe[-1].feature_names_in_[0] == "pca0"
    assert pipe.score(pd.DataFrame(X, columns=[f"c{i}" for i in range(64)]), y) > 0.9


def test_the_grid_search_of_the_papers_symbols_works_as_written(small):
    X, y = small
    pipe = Pipeline([("scale", StandardScaler()), ("clf", JointKNNClassifier())])
    grid = {
        "clf__k": [3, "mean"],
        "clf__tau": [0.05, 0.5],
        "clf__alpha": [0.0, 0.01],
        "clf__lambda": [0.5, 0.9],
    }
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=2, scoring="neg_log_loss")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 16
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_["clf"]
    assert best.lam == search.best_params_["clf__lambda"]
    assert best.n_neighbors == search.best_params_["clf__k"]
    # A point of the grid is the estimator with these parameters.
    point = search.cv_results_["params"][5]
    own = JointKNNClassifier(
        point["clf__k"], tau=point["clf__tau"], alpha=point["clf__alpha"],
        lam=point["clf__lambda"],
    )  # fmt: skip
    scores = cross_val_score(
        make_pipeline(StandardScaler(), own), X, y, cv=3, scoring="neg_log_loss"
    )
    assert search.cv_results_["mean_test_score"][5] == pytest.approx(scores.mean())


@pytest.mark.filterwarnings("ignore:n_neighbors=:UserWarning")
def test_large_k_and_infinite_tau_give_no_nan_folds(classifier, small):
    X, y = small
    grid = {"k": [1, 512], "temperature": [1e-3, math.inf]}
    search = GridSearchCV(classifier, grid, cv=3, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_halving_search(classifier, small):
    X, y = small
    search = HalvingGridSearchCV(
        classifier, {"k": [2, 4, 8], "tau": [0.1, 1.0]}, cv=2, random_state=0
    ).fit(X, y)
    assert search.best_score_ > 0.8


def test_stacking_calibration_and_cross_val_predict(classifier, small):
    X, y = small
    stack = StackingClassifier([("a", classifier), ("b", LogisticRegression())], cv=2)
    assert stack.fit(X, y).score(X, y) > 0.9
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    proba = cross_val_predict(classifier, X, y, cv=3, method="predict_proba", n_jobs=2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba.argmax(axis=1) == y).mean() > 0.85
    top2 = make_scorer(top_k_accuracy_score, k=2, response_method="predict_proba")
    assert cross_val_score(classifier, X, y, cv=3, scoring=top2).mean() > 0.9


def test_fit_leaves_parameters_and_data_alone(classifier, small):
    X, y = small
    before, rows = classifier.get_params(), X.copy()
    classifier.fit(X, y).predict(X)
    assert classifier.get_params() == before
    np.testing.assert_array_equal(X, rows)


def test_same_call_gives_the_same_bits(classifier, small):
    X, y = small
    a = clone(classifier).fit(X, y).predict_proba(X)
    b = clone(classifier).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(a, b)


def test_global_random_states_are_left_alone(classifier, small):
    X, y = small
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    classifier.fit(X, y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
