"""Bases of the user: how weights reach them, and what their answers must be."""

import re
import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skknn import JointKNNClassifier, NeighborSearchCV


class Weighted(LogisticRegression):
    """Keeps the weights of its fits, over all its copies."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        self.seen.append(sample_weight)
        return super().fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def split(digits):
    X, y = digits
    return X[:300], X[300:500], y[:300], y[300:500]


NESTED = {
    "calibrated": lambda: CalibratedClassifierCV(Weighted(), cv=2),
    "stacking": lambda: StackingClassifier([("a", Weighted())], cv=2),
    "stacking of two": lambda: StackingClassifier(
        [("a", Weighted())], final_estimator=LogisticRegression(), cv=2
    ),
    "voting": lambda: VotingClassifier([("a", Weighted())], voting="soft"),
    "search": lambda: GridSearchCV(Weighted(), {"C": [0.1, 1]}, cv=2),
    "pipeline": lambda: make_pipeline(
        StandardScaler(), CalibratedClassifierCV(Weighted(), cv=2)
    ),
    "boosting": lambda: AdaBoostClassifier(Weighted(), n_estimators=2),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("name", NESTED)
def test_weights_reach_classifiers_in_classifiers(split, name, routing):
    X, queries, y, labels = split
    Weighted.seen.clear()
    with config_context(enable_metadata_routing=routing):
        joint = JointKNNClassifier(8, alpha=1.0, estimator=NESTED[name]()).fit(X, y)
    assert joint.score(queries, labels) > 0.8
    assert Weighted.seen and all(w is not None for w in Weighted.seen)
    assert any(len(np.unique(w)) > 10 for w in Weighted.seen)


def test_a_base_that_hands_weights_on_by_routing_alone_says_so(split):
    X, queries, y, labels = split
    plain = OneVsRestClassifier(Weighted())
    for estimator in (plain, make_pipeline(StandardScaler(), plain)):
        with pytest.raises(ValueError, match=r"(?s)OneVsRest.*set_fit_request\(samp"):
            JointKNNClassifier(8, estimator=estimator).fit(X, y)
    JointKNNClassifier(8, estimator=plain, alpha=0).fit(X, y)
    Weighted.seen.clear()
    with config_context(enable_metadata_routing=True):
        inner = Weighted().set_fit_request(sample_weight=True)
        scale = StandardScaler().set_fit_request(sample_weight=False)
        for base in (
            OneVsRestClassifier(inner),
            make_pipeline(scale, OneVsRestClassifier(inner)),
        ):
            joint = JointKNNClassifier(8, alpha=1.0, estimator=base).fit(X, y)
            assert joint.score(queries, labels) > 0.8
    assert len(Weighted.seen) == 20
    for weights in Weighted.seen:
        np.testing.assert_array_equal(weights, joint.sample_weight_)


def test_other_errors_of_a_base_are_its_own(split):
    class Fails(Weighted):
        def fit(self, X, y, sample_weight=None):
            raise ValueError("no luck today")

    with pytest.raises(ValueError, match="^no luck today$"):
        JointKNNClassifier(8, estimator=Fails()).fit(split[0], split[2])


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        StackingClassifier([("a", GaussianNB())], final_estimator=SVC(), cv=2),
        make_pipeline(StandardScaler(), SVC()),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_base_without_probabilities_is_an_error(split, estimator):
    with pytest.raises(ValueError, match="has no predict_proba.*CalibratedClassifier"):
        JointKNNClassifier(8, estimator=estimator).fit(split[0], split[2])


class Faulty(ClassifierMixin, BaseEstimator):
    """A Gaussian naive Bayes whose answers have one fault."""

    def __init__(self, fault):
        self.fault = fault

    def fit(self, X, y, sample_weight=None):
        self.inner_ = GaussianNB().fit(X, y, sample_weight)
        self.classes_ = self.inner_.classes_
        if self.fault == "reversed":
            self.classes_ = self.classes_[::-1]
        if self.fault == "fewer classes":
            self.classes_ = self.classes_[:-1]
        if self.fault == "other classes":
            self.classes_ = self.classes_ + 1
        return self

    def predict_proba(self, X):
        proba = self.inner_.predict_proba(X)
        if self.fault == "reversed":
            return proba[:, ::-1]
        if self.fault == "one column":
            return proba[:, -1:]
        if self.fault == "flat":
            return proba[:, -1]
        if self.fault == "nan":
            proba[3] = np.nan
        if self.fault == "infinity":
            proba[3, 0] = np.inf
        if self.fault == "scores":
            return self.inner_.predict_joint_log_proba(X)
        if self.fault == "votes":
            proba[3] *= 5
        if self.fault == "negative":
            proba[3, :2] += [2, -2]
        if self.fault == "objects":
            proba = proba.astype(object)
        return proba

    def predict(self, X):
        return self.inner_.predict(X)


@pytest.mark.parametrize("lam", [0, 0.5])
def test_classes_of_a_base_in_another_order_are_put_right(split, lam):
    X, queries, y, _ = split
    got = JointKNNClassifier(8, lam=lam, estimator=Faulty("reversed")).fit(X, y)
    want = JointKNNClassifier(8, lam=lam, estimator=GaussianNB()).fit(X, y)
    np.testing.assert_array_equal(
        got.predict_proba(queries), want.predict_proba(queries)
    )
    grid = {"lam": [0, 0.3, 0.9], "alpha": [0, 1]}
    for scoring in ("accuracy", "neg_log_loss"):
        ours, theirs = (
            NeighborSearchCV(clf, grid, cv=2, scoring=scoring).fit(X, y).cv_results_
            for clf in (got, want)
        )
        np.testing.assert_array_equal(
            ours["mean_test_score"], theirs["mean_test_score"]
        )


@pytest.mark.parametrize("fault", ["fewer classes", "other classes"])
def test_other_classes_in_a_base_are_an_error_of_fit(split, fault):
    X, _, y, _ = split
    with pytest.raises(
        ValueError, match=r"was fitted on labels from \[0, 1.*has class"
    ):
        JointKNNClassifier(8, estimator=Faulty(fault)).fit(X, y)


@pytest.mark.parametrize("lam", [0, 0.5])
@pytest.mark.parametrize(
    "fault, message",
    [
        ("one column", r"shape \(200, 10\); got \(200, 1\)"),
        ("flat", r"shape \(200, 10\); got \(200,\)"),
        ("nan", r"for row 3; rows with a value that is not finite: 1 of 200"),
        ("infinity", r"for row 3; rows with a value that is not finite: 1 of 200"),
        ("scores", r"for row 0, which are no probabilities: .*not: 200 of 200"),
        ("votes", r"for row 3, which are no probabilities: .*not: 1 of 200"),
        ("negative", r"for row 3, which are no probabilities: .*not: 1 of 200"),
    ],
)
def test_answers_that_are_no_probabilities_are_an_error(split, fault, message, lam):
    X, queries, y, _ = split
    joint = JointKNNClassifier(8, lam=lam, estimator=Faulty(fault)).fit(X, y)
    for method in (joint.predict_proba, joint.predict):
        with pytest.raises(ValueError, match=rf"(?s)Faulty.*{message}"):
            method(queries)
    joint.set_params(lam=1).predict(queries)  # the base is not asked


def test_probabilities_that_are_objects(split):
    X, queries, y, _ = split
    got = JointKNNClassifier(8, estimator=Faulty("objects")).fit(X, y)
    want = JointKNNClassifier(8, estimator=GaussianNB()).fit(X, y)
    np.testing.assert_array_equal(
        got.predict_proba(queries), want.predict_proba(queries)
    )


@pytest.mark.parametrize(
    "parameters, said",
    [({"C": 0.5}, "C=0.5"), ({"class_weight": "balanced"}, "class_weight='balanced'")],
)
def test_parameters_of_the_default_base_warn_beside_another(split, parameters, said):
    X, _, y, _ = split
    joint = JointKNNClassifier(8, estimator=GaussianNB(), **parameters)
    message = f"{re.escape(said)} .* changes nothing beside estimator=GaussianNB"
    with pytest.warns(UserWarning, match=message) as caught:
        joint.fit(X, y)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        JointKNNClassifier(8, estimator=GaussianNB()).fit(X, y)
        JointKNNClassifier(8, **parameters).fit(X, y)


def test_searches_over_the_base_say_once_what_changes_nothing(split):
    X, _, y, _ = split
    base = LogisticRegression(max_iter=1000)
    joint = JointKNNClassifier(8, estimator=base, class_weight="balanced")
    grid = {"estimator__C": [0.1, 1.0, 10.0]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NeighborSearchCV(joint, grid, cv=2).fit(X, y)
    said = {str(w.message) for w in caught if "changes nothing" in str(w.message)}
    assert len(said) == 1
