"""Errors name the parameter, the value, what is allowed and the remedy."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)

X = np.random.default_rng(0).normal(size=(30, 4))
y = np.arange(30) % 3
ALL = [SoftKNNClassifier, KNNWeightedLogisticRegression, JointKNNClassifier]
GUIDED = ALL[1:]


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "name, value, allowed, remedy",
    [
        ("n_neighbors", 0, r"\[1, inf\)", "Use a positive int"),
        ("n_neighbors", -3, r"\[1, inf\)", "Use a positive int"),
        ("n_neighbors", 2.5, r"an int in", "Use a positive int"),
        ("n_neighbors", "median", r"\{'mean'\}", "Use a positive int"),
        ("tau", 0, r"\(0.0, inf\]", "Use a positive temperature"),
        ("tau", -1.0, r"\(0.0, inf\]", "Use a positive temperature"),
        ("tau", float("nan"), r"\(0.0, inf\]", "Use a positive temperature"),
        ("tau", "hot", r"a float in", "Use a positive temperature"),
        ("metric", "manhattan", "'sqeuclidean'", "2 \\* 'cosine'"),
        ("preprocessing", "whiten", "'center-l2'", "Use 'center-l2'"),
        ("algorithm", "kd_tree", "'brute'", "Use 'auto'"),
        ("n_jobs", 1.5, r"an int in the range \[1, inf\)", "Use None"),
    ],
)
def test_neighbour_parameters(cls, name, value, allowed, remedy):
    with pytest.raises(ValueError) as caught:
        cls(**{name: value}).fit(X, y)
    _explains(caught, name, value, allowed, remedy)


@pytest.mark.parametrize("cls", GUIDED)
@pytest.mark.parametrize(
    "name, value, allowed, remedy",
    [
        ("alpha", -0.1, r"\[0.0, inf\)", "alpha=0 switches the weights off"),
        ("alpha", float("inf"), r"\[0.0, inf\)", "alpha=0"),
        ("modulation", "hinge", "'focal'.*'nll'|'nll'.*'focal'", "A callable takes"),
        ("gamma", -1, r"\[0.0, inf\)", "exponent of the focal weights"),
        ("C", 0, r"\(0.0, inf\]", "inverse strength"),
        ("class_weight", "even", "'balanced'", "Use 'balanced'"),
    ],
)
def test_guide_parameters(cls, name, value, allowed, remedy):
    with pytest.raises(ValueError) as caught:
        cls(**{name: value}).fit(X, y)
    _explains(caught, name, value, allowed, remedy)


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), "half"])
def test_lam(value):
    with pytest.raises(ValueError) as caught:
        JointKNNClassifier(lam=value).fit(X, y)
    _explains(caught, "lam", value, r"\[0.0, 1.0\]", "0 is the base alone")


@pytest.mark.parametrize("name", ["max_iter", "tol"])
def test_solver_parameters(name):
    with pytest.raises(ValueError) as caught:
        KNNWeightedLogisticRegression(**{name: 0}).fit(X, y)
    _explains(caught, name, 0, "inf", "")


def _explains(caught, name, value, allowed, remedy):
    message = str(caught.value)
    assert f"The {name!r} parameter of" in message
    assert f"Got {value!r} instead" in message
    caught.match(allowed)
    caught.match(remedy)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("bad, word", [(np.nan, "NaN"), (np.inf, "infinity")])
def test_bad_values_are_located(cls, bad, word):
    broken = X.copy()
    broken[[7, 9], 2] = bad
    place = r"row 7, column 2; rows with one: 2\. Remove these rows or impute"
    with pytest.raises(ValueError, match=rf"(?s){word}.*{place}"):
        cls().fit(broken, y)
    fitted = cls().fit(X, y)
    with pytest.raises(ValueError, match=rf"(?s){word}.*{place}"):
        fitted.predict(broken)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "rows, labels, message",
    [
        (X, np.zeros(30), r"one class only \(0.0\).*at least 2 classes"),
        (X[:0], y[:0], r"0 sample\(s\)"),
        (X[:, :0], y, r"0 feature\(s\)"),
        (X, y[:-1], r"inconsistent numbers of samples: \[30, 29\]"),
        (X[:, 0], y, "Expected 2D array, got 1D array"),
        (X[None], y, "dim 3"),
        (X, None, "requires y to be passed"),
        (X, X[:, 0], "continuous"),
        (X, np.column_stack([y, y]), r"should be a 1d array"),
        (X.astype(str).astype(object) + "x", y, "could not convert string to float"),
        (X * 1j, y, "Complex data not supported"),
    ],
)
def test_bad_rows_and_labels(cls, rows, labels, message):
    with pytest.raises(ValueError, match=message):
        cls().fit(rows, labels)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "labels",
    [
        [*"abcdef", None, "a", None, "b"],
        pd.Series([*"abcdef", np.nan, "a", np.nan, "b"], dtype="category"),
        pd.Series([*"abcdef", pd.NA, "a", pd.NA, "b"], dtype="string"),
        np.array([0.0, 1, 0, 1, 0, 1, np.nan, 0, np.nan, 1]),
    ],
    ids=["None", "category", "string", "float"],
)
def test_a_missing_label_is_located(cls, labels):
    with pytest.raises(ValueError, match=r"no label in row 6 .*without one: 2\."):
        cls().fit(X[:10], labels)


@pytest.mark.parametrize("cls", ALL)
def test_an_alias_in_the_constructor_is_explained(cls):
    with pytest.raises(TypeError, match=rf"{cls.__name__} .* 'k': .* 'n_neighbors'"):
        cls(k=3)
    with pytest.raises(TypeError, match="'temperature': it is called 'tau'"):
        cls(temperature=0.5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'kk'"):
        cls(kk=3)
    assert clone(cls(3)).n_neighbors == 3
    assert pickle.loads(pickle.dumps(cls(3))).n_neighbors == 3


@pytest.mark.parametrize("name", ["lambda", "lambda_"])
def test_lambda_in_the_constructor_is_explained(name):
    with pytest.raises(TypeError, match=f"{name!r}: it is called 'lam'"):
        JointKNNClassifier(**{name: 0.5})


@pytest.mark.parametrize("cls", ALL)
def test_prediction_checks_its_rows(cls):
    fitted = cls(5).fit(X, y)
    with pytest.raises(ValueError, match="3 features, but .* is expecting 4"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match="Expected 2D array"):
        fitted.predict_proba(X[0])
    with pytest.raises(NotFittedError):
        clone(fitted).predict(X)


def test_unknown_parameter_names_are_listed():
    with pytest.raises(ValueError, match="Invalid parameter 'kk' .*n_neighbors"):
        SoftKNNClassifier().set_params(kk=3)


def test_device_is_checked_where_it_is_used():
    from skknn.utils._device import resolve_device

    with pytest.raises(ValueError, match="device='gpu7' is not a torch device"):
        resolve_device("gpu7")
    with pytest.raises(ValueError, match="device='cuda:99' is not available here"):
        resolve_device("cuda:99")
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
@pytest.mark.parametrize(
    "clf, instead",
    [
        (KNNWeightedLogisticRegression(3), r"SoftKNNClassifier\(...\)"),
        (JointKNNClassifier(3), "knn_.predict_proba"),
        (JointKNNClassifier(3, knn_transformer=FunctionTransformer()), "knn_.predict"),
    ],
)
def test_classifiers_with_a_base_explain_why_there_is_no_leave_one_out(
    clf, instead, method
):
    rng = np.random.default_rng(0)
    clf.fit(rng.normal(size=(20, 3)), np.arange(20) % 2)
    with pytest.raises(ValueError, match=f"no predictions for X=None.*{instead}"):
        getattr(clf, method)(None)


@pytest.mark.parametrize("cls", [SoftKNNClassifier, JointKNNClassifier])
def test_text_and_numbers_are_no_labels_together(cls):
    y = np.array(["a", "b", 3, "a"], dtype=object)
    with pytest.raises(ValueError, match=r"y\[0\] is 'a', y\[2\] is 3.*astype\(str\)"):
        cls(1).fit(np.eye(4), y)
