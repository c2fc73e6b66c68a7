"""BlockWeights through scikit-learn's full check suite, and inside its tools."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import BlockWeights, SoftKNNClassifier


@pytest.mark.filterwarnings("ignore:blocks='auto' finds one block only")
@parametrize_with_checks(
    [
        BlockWeights(),
        BlockWeights(n_components=1, scoring="accuracy"),
        BlockWeights(blocks=1, center=False),
    ]
)
def test_scikit_learn(estimator, check):
    check(estimator)


def halves(columns):
    return make_pipeline(
        FunctionTransformer(lambda X: X[:, columns]), StandardScaler(), Normalizer()
    )


@pytest.fixture
def union():
    return FeatureUnion([("sepal", halves(slice(0, 2))), ("petal", halves([2, 3]))])


def test_behind_a_union_of_arrays(union):
    X, y = load_iris(return_X_y=True)
    pipe = make_pipeline(union, BlockWeights(), SoftKNNClassifier())
    by_hand = clone(pipe).set_params(blockweights__blocks=[2, 2])
    scores = cross_val_score(pipe, X, y)
    np.testing.assert_array_equal(scores, cross_val_score(by_hand, X, y))
    weights = pipe.fit(X, y)["blockweights"]
    assert list(weights.weights_) == ["block0", "block1"]
    explicit = BlockWeights(blocks=[2, 2]).fit(pipe[0].transform(X), y)
    assert explicit.weights_ == weights.weights_


def test_behind_a_column_transformer_of_frames():
    X, y = load_iris(return_X_y=True, as_frame=True)
    columns = ColumnTransformer(
        [("sepal", StandardScaler(), list(X.columns[:2])),
         ("petal", StandardScaler(), list(X.columns[2:]))]
    )  # fmt: skip
    pipe = make_pipeline(columns, BlockWeights()).set_output(transform="pandas")
    rows = pipe.fit_transform(X, y)
    weights = pipe[-1].weights_
    assert list(weights) == ["sepal", "petal"] and weights["petal"] > 0
    names = [f"{block}{i}" for block in weights if weights[block] for i in range(2)]
    assert list(rows.columns) == names
    # Behind itself it finds its own blocks.
    again = BlockWeights().fit(rows, y)
    assert list(again.weights_) == [block for block in weights if weights[block]]


def test_grid_search_and_groups(union):
    X, y = load_iris(return_X_y=True)
    groups = np.arange(150) // 2
    pipe = make_pipeline(union, BlockWeights(), SoftKNNClassifier())
    grid = {
        "blockweights__center": [True, False],
        "blockweights__weights": [(0, 1), (0, 1, 2)],
        "softknnclassifier__k": [5, 20],
    }
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y, blockweights__groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    own = clone(best["blockweights"]).fit(best[0].transform(X), y, groups=groups)
    assert own.path_ == best["blockweights"].path_


@pytest.mark.parametrize(
    ("params", "labels", "groups"),
    [
        ({"weights": (-1,)}, None, None),
        ({"blocks": [5, 5]}, None, None),
        ({}, np.linspace(0, 1, 40), None),
        ({}, None, np.zeros(40)),
        ({"n_components": 0}, None, None),
    ],
    ids=["weights", "blocks", "no classes", "one group", "n_components"],
)
def test_a_failed_fit_changes_nothing(params, labels, groups):
    X, y = load_iris(return_X_y=True, as_frame=True)
    columns = list(X.columns)
    fitted = BlockWeights(blocks=2).fit(X, y)
    before = dict(vars(fitted))
    other = pd.DataFrame(np.random.default_rng(0).random((40, 6))).add_prefix("x")
    labels = np.arange(40) % 2 if labels is None else labels
    with pytest.raises(ValueError):
        fitted.set_params(**params).fit(other, labels, groups)
    assert fitted.n_features_in_ == 4 and list(fitted.feature_names_in_) == columns
    assert {n for n, v in vars(fitted).items() if v is not before[n]} <= set(params)
    fresh = BlockWeights(**{"blocks": 2} | params)
    with pytest.raises(ValueError):
        fresh.fit(other, labels, groups)
    assert set(vars(fresh)) == set(fresh.get_params())


def test_a_fit_without_names_forgets_them():
    X, y = load_iris(return_X_y=True, as_frame=True)
    fitted = BlockWeights(blocks=2).fit(X, y).fit(X.to_numpy(), y)
    assert not hasattr(fitted, "feature_names_in_") and fitted.n_features_in_ == 4


@pytest.mark.parametrize(
    ("missing", "dtype"),
    [
        (None, object),
        (pd.NA, object),
        (pd.NA, "string"),
        (None, "category"),
        (np.nan, object),
        (None, str),
    ],
    ids=str,
)
def test_missing_labels(missing, dtype):
    X, y = load_iris(return_X_y=True)
    labels = pd.Series(np.array(["a", "b", "c"])[y], dtype=dtype)
    labels[[3, 5]] = missing
    with pytest.raises(ValueError, match="y has no label in row 3.*without one: 2"):
        BlockWeights(blocks=2).fit(X, labels)
    numbers = pd.Series(y, dtype="Int64")
    numbers[3] = pd.NA
    with pytest.raises(ValueError, match="y has no label in row 3"):
        BlockWeights(blocks=2).fit(X, numbers)
    with pytest.raises(ValueError, match="y has no label in row 0"):
        BlockWeights(blocks=2).fit(X, [None, *labels[1:]])


def test_clone_and_pickle():
    X, y = load_iris(return_X_y=True)
    fitted = BlockWeights((0, 1, 3), blocks={"a": [0, 1], "b": slice(2, 4)}).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.path_ == fitted.path_
    assert clone(fitted).get_params() == fitted.get_params()
    np.testing.assert_array_equal(
        clone(fitted).fit(X, y).transform(X), fitted.transform(X)
    )


@pytest.mark.parametrize("kind", [list, pd.Series, "category"])
def test_labels_of_any_kind(kind):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    labels = pd.Series(names, dtype=kind) if kind == "category" else kind(names)
    fitted = BlockWeights(blocks=2).fit(X, labels)
    assert fitted.weights_ == BlockWeights(blocks=2).fit(X, y).weights_
    np.testing.assert_array_equal(fitted.classes_, np.unique(names))
