import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from references import soft_knn_proba
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import has_fit_parameter

import skknn
from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what reaches its fit."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.weight_ = X, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture(scope="module")
def split(digits):
    X, y = digits
    return X[:600], X[600:900], y[:600], y[600:900]


def base():
    return LogisticRegression(max_iter=1000, tol=1e-6)


@pytest.mark.parametrize("lam", [0.25, 0.5, 0.9])
def test_mixture_follows_equation_5(split, lam):
    X, queries, y, _ = split
    joint = JointKNNClassifier(8, tau=0.2, alpha=0.3, lam=lam).fit(X, y)
    weighted = KNNWeightedLogisticRegression(8, tau=0.2, alpha=0.3).fit(X, y)
    votes = soft_knn_proba(X, y, queries[:20], 8, 0.2)
    want = lam * votes + (1 - lam) * weighted.predict_proba(queries[:20])
    np.testing.assert_allclose(joint.predict_proba(queries[:20]), want, atol=1e-9)
    np.testing.assert_array_equal(joint.predict(queries[:20]), want.argmax(axis=1))


def test_lam_one_is_bitwise_soft_knn(split):
    X, queries, y, _ = split
    joint = JointKNNClassifier(8, lam=1.0).fit(X, y)
    knn = SoftKNNClassifier(8).fit(X, y)
    np.testing.assert_array_equal(
        joint.predict_proba(queries), knn.predict_proba(queries)
    )


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_lam_zero_is_bitwise_the_base(split, alpha):
    X, queries, y, _ = split
    joint = JointKNNClassifier(8, lam=0, alpha=alpha).fit(X, y)
    weights = None if alpha == 0 else joint.sample_weight_
    alone = base().fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(
        joint.predict_proba(queries), alone.predict_proba(queries)
    )
    np.testing.assert_array_equal(joint.predict(queries), alone.predict(queries))


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        RandomForestClassifier(20, random_state=0),
        pytest.param(
            MLPClassifier((16,), random_state=0, max_iter=30),
            marks=pytest.mark.skipif(
                not has_fit_parameter(MLPClassifier(), "sample_weight"),
                reason="takes weights from scikit-learn 1.7 on",
            ),
        ),
        make_pipeline(StandardScaler(), base()),
        make_pipeline(StandardScaler(), make_pipeline(PCA(10), base())),
        GridSearchCV(base(), {"C": [0.1, 1.0]}, cv=2),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_base_that_takes_weights(split, estimator):
    X, queries, y, labels = split
    joint = JointKNNClassifier(8, estimator=estimator).fit(X, y)
    assert joint.score(queries, labels) > 0.85
    assert not hasattr(estimator, "classes_")  # the user's object is not fitted


def test_weights_reach_the_last_step_of_nested_pipelines(split):
    X, _, y, _ = split
    inner = Pipeline([("scale", StandardScaler()), ("last", Recorder())])
    outer = Pipeline([("pca", PCA(5)), ("inner", inner)])
    joint = JointKNNClassifier(8, alpha=0.5, estimator=outer).fit(X, y)
    last = joint.estimator_["inner"]["last"]
    np.testing.assert_array_equal(last.weight_, joint.sample_weight_)
    assert last.X_.shape == (600, 5)
    joint = JointKNNClassifier(8, alpha=0, estimator=outer).fit(X, y)
    assert joint.estimator_["inner"]["last"].weight_ is None


def test_weights_reach_pipelines_when_metadata_routing_is_on(split):
    from sklearn import config_context

    X, _, y, _ = split
    pipe = make_pipeline(StandardScaler(), Recorder())
    with config_context(enable_metadata_routing=True):
        joint = JointKNNClassifier(8, alpha=0.5, estimator=pipe).fit(X, y)
    np.testing.assert_array_equal(joint.estimator_[-1].weight_, joint.sample_weight_)


def test_a_base_without_weights_is_an_error_unless_alpha_is_zero(split):
    X, queries, y, _ = split
    plain = KNeighborsClassifier(3)
    for estimator in (plain, make_pipeline(StandardScaler(), plain)):
        with pytest.raises(ValueError, match="KNeighborsClassifier.*no sample_weight"):
            JointKNNClassifier(estimator=estimator).fit(X, y)
        with pytest.raises(ValueError, match="no sample_weight"):
            JointKNNClassifier(estimator=estimator, alpha=0, modulation="focal").fit(
                X, y
            )
        JointKNNClassifier(estimator=estimator, alpha=0).fit(X, y).predict(queries)


def test_a_base_without_probabilities_is_an_error(split):
    X, _, y, _ = split
    with pytest.raises(ValueError, match="RidgeClassifier.*no predict_proba"):
        JointKNNClassifier(estimator=RidgeClassifier()).fit(X, y)


def test_knn_transformer_changes_the_knn_side_alone(split):
    X, queries, y, _ = split
    half = FunctionTransformer(lambda rows: rows[:, :32])
    joint = JointKNNClassifier(8, lam=1.0, knn_transformer=half).fit(X, y)
    want = SoftKNNClassifier(8).fit(X[:, :32], y).predict_proba(queries[:, :32])
    np.testing.assert_array_equal(joint.predict_proba(queries), want)
    assert joint.estimator_.n_features_in_ == 64


def test_the_two_sides_may_see_different_columns_of_a_frame(split):
    X, queries, y, _ = split
    names = [f"{'a' if i < 40 else 'b'}{i}" for i in range(64)]
    frame, other = pd.DataFrame(X, columns=names), pd.DataFrame(queries, columns=names)
    select = ColumnTransformer(
        [("a", "passthrough", make_column_selector(pattern="^a"))]
    )
    rest = ColumnTransformer([("b", "passthrough", make_column_selector(pattern="^b"))])
    joint = JointKNNClassifier(
        8,
        lam=0.5,
        alpha=0,
        knn_transformer=select,
        estimator=make_pipeline(rest, base()),
    ).fit(frame, y)
    votes = SoftKNNClassifier(8).fit(X[:, :40], y).predict_proba(queries[:, :40])
    alone = base().fit(X[:, 40:], y).predict_proba(queries[:, 40:])
    np.testing.assert_allclose(joint.predict_proba(other), (votes + alone) / 2)
    np.testing.assert_array_equal(joint.feature_names_in_, names)


def test_rows_that_are_not_numbers_with_a_transformer_on_both_sides(split):
    X, queries, y, _ = split
    as_text = [" ".join(map(str, row)) for row in X]
    parse = FunctionTransformer(lambda t: np.array([r.split() for r in t], dtype=float))
    joint = JointKNNClassifier(
        8, knn_transformer=parse, estimator=make_pipeline(parse, base())
    ).fit(as_text, y)
    want = JointKNNClassifier(8).fit(X, y).predict_proba(queries)
    got = joint.predict_proba([" ".join(map(str, row)) for row in queries])
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_no_decision_function():
    assert not hasattr(JointKNNClassifier(), "decision_function")


def test_random_state_reaches_the_base(split):
    X, queries, y, _ = split
    forest = RandomForestClassifier(5)
    a, b, c = (
        JointKNNClassifier(estimator=forest, lam=0, random_state=seed)
        .fit(X, y)
        .predict_proba(queries)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_aliases_in_set_params_only():
    joint = JointKNNClassifier()
    joint.set_params(**{"k": 3, "temperature": 0.7, "lambda": 0.9})
    assert (joint.n_neighbors, joint.tau, joint.lam) == (3, 0.7, 0.9)
    joint.set_params(lambda_=0.1, estimator=base(), estimator__C=7)
    assert joint.lam == 0.1 and joint.estimator.C == 7
    assert not {"k", "temperature", "lambda", "lambda_"} & set(joint.get_params())
    assert "lam=0.1" in repr(joint)
    with pytest.raises(ValueError, match="'lam' was given twice, as 'lam' and as"):
        joint.set_params(**{"lam": 0.1, "lambda": 0.2})
    with pytest.raises(ValueError, match="given twice, as 'k' and as 'n_neighbors'"):
        SoftKNNClassifier().set_params(k=1, n_neighbors=1)
    with pytest.raises(ValueError, match="Invalid parameter 'lambda'"):
        SoftKNNClassifier().set_params(**{"lambda": 1})
    with pytest.raises(TypeError):
        JointKNNClassifier(lambda_=0.5)


def test_pickles_predict_the_same(split):
    X, queries, y, _ = split
    joint = JointKNNClassifier().fit(X, y)
    again = pickle.loads(pickle.dumps(joint))
    np.testing.assert_array_equal(
        joint.predict_proba(queries), again.predict_proba(queries)
    )
    assert isinstance(again, skknn.JointKNNClassifier)


@pytest.mark.parametrize("lam", [0.1, 0.5, 0.9])
def test_float32_rows_give_probabilities_that_scorers_accept(split, lam):
    X, queries, y, labels = split
    joint = JointKNNClassifier(8, lam=lam).fit(X.astype(np.float32), y)
    proba = joint.predict_proba(queries.astype(np.float32))
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_loss(labels, proba)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 7, 80])
@pytest.mark.parametrize("tau", [1e-4, 0.1, 10])
def test_corners_of_the_grid_end_without_nan(k, tau, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5)).astype(dtype)
    X[:, 2] = 3.0  # constant column
    X[4] = X[9] = X[11]  # duplicates
    X[5] = 0.0
    y = np.repeat([0, 1, 2], [20, 19, 1])  # a class of one row
    for modulation in ("nll", "focal"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # k is clipped
            warnings.simplefilter("error", RuntimeWarning)
            joint = JointKNNClassifier(k, tau=tau, alpha=1.0, modulation=modulation)
            proba = joint.fit(X, y).predict_proba(X)
        assert np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        assert joint.knn_proba_[39] == 0
        assert np.isfinite(joint.sample_weight_).all()


def test_a_class_missing_in_a_fold_gives_no_nan_score(split):
    X, _, y, _ = split
    X, y = X[:60], y[:60] % 2
    y[7] = 2  # one row of a third class: missing from the training part of one fold
    grid = {"k": [1, 4], "lambda": [0.2, 0.8]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the splitter
        search = GridSearchCV(JointKNNClassifier(), grid, cv=3, error_score="raise")
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
