"""A fit that fails, or is interrupted, leaves the estimator as it was."""

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)
from skknn.classifiers import (
    _guided_base,
    _joint,
    _joint_store,
    _soft_knn,
    _weighted_logistic,
)

MODULES = {
    SoftKNNClassifier: _soft_knn,
    KNNWeightedLogisticRegression: _weighted_logistic,
    JointKNNClassifier: _joint,
}
GUIDED = [
    "check_inputs",
    "make_knn",
    "own_class_votes",
    "weigh_rows",
    "make_base",
    "fit_base",
    "warn_not_converged",
    "refitted",
]
PLAIN = [
    "check_inputs",
    "NeighborIndex",
    "resolve_n_neighbors",
    "resolve_tau",
    "warn_if_nearest_votes_alone",
    "refitted",
]
STAGES = [
    *((SoftKNNClassifier, stage) for stage in PLAIN),
    *((KNNWeightedLogisticRegression, stage) for stage in GUIDED),
    *((JointKNNClassifier, stage) for stage in GUIDED),
]


@pytest.fixture
def two_problems():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(30, 4)), np.repeat(["a", "b"], 15)
    second = rng.normal(size=(40, 6)), np.arange(40) % 3
    return first, second


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize(
    "cls, stage", STAGES, ids=lambda v: v if isinstance(v, str) else v.__name__
)
def test_a_refit_that_stops_anywhere_changes_nothing(
    cls, stage, error, two_problems, monkeypatch
):
    (X, y), (other, labels) = two_problems
    fitted, fresh = cls(5).fit(X, y), cls(5)
    before, want = dict(vars(fitted)), fitted.predict_proba(X)

    def stop(*args, **kwargs):
        raise error("stopped")

    places = MODULES[cls], _joint_store, _guided_base
    place = next(module for module in places if hasattr(module, stage))
    monkeypatch.setattr(place, stage, stop)
    for estimator in (fitted, fresh):
        with pytest.raises(error, match="stopped"):
            estimator.fit(other, labels)
    monkeypatch.undo()
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(fitted.predict_proba(X), want)
    assert vars(fresh).keys() == vars(cls(5)).keys()


@pytest.mark.parametrize("cls", MODULES)
def test_bad_labels_leave_the_columns_of_the_fit_before(cls, two_problems):
    (X, y), (other, labels) = two_problems
    fitted = cls(5).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        fitted.fit(other, labels[:-1])
    assert fitted.n_features_in_ == 4
    assert list(fitted.classes_) == ["a", "b"]


def test_a_refit_leaves_nothing_of_the_fit_before(two_problems):
    pytest.importorskip("faiss")
    (X, y), (other, labels) = two_problems
    knn = SoftKNNClassifier(5, algorithm="hnsw").fit(X, y)
    assert knn.recall_ > 0
    knn.set_params(algorithm="brute").fit(other, labels)
    assert not hasattr(knn, "recall_")
    joint = JointKNNClassifier(5, knn_transformer=FunctionTransformer()).fit(X, y)
    joint.set_params(knn_transformer=None).fit(other, labels)
    assert not hasattr(joint, "knn_transformer_")


def test_what_was_fitted_predicts_whatever_parameters_become(two_problems):
    (X, y), _ = two_problems
    half = FunctionTransformer(lambda rows: rows[:, :2])
    joint = JointKNNClassifier(5, knn_transformer=half).fit(X, y)
    want = joint.predict_proba(X)
    joint.set_params(knn_transformer=None, estimator=None)
    np.testing.assert_array_equal(joint.predict_proba(X), want)
