"""What a search keeps when it fails, is repeated, or has nothing but bad scores."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import JointKNNClassifier, NeighborSearchCV, SoftKNNClassifier


@pytest.fixture
def two_problems():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(30, 4)), np.repeat(["a", "b"], 15)
    second = rng.normal(size=(40, 6)), np.arange(40) % 3
    return first, second


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_search_that_stops_changes_nothing(two_problems, refit, error):
    (X, y), (other, labels) = two_problems
    search = NeighborSearchCV(SoftKNNClassifier(), {"k": [1, 3]}, cv=2).fit(X, y)
    before = {name: v for name, v in vars(search).items() if name.endswith("_")}

    def stop(*args):
        raise error("stopped")

    search.set_params(scoring=stop, error_score="raise", refit=refit)
    with pytest.raises(error, match="stopped"):
        search.fit(other, labels)
    after = {name: v for name, v in vars(search).items() if name.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def test_a_search_without_refit_forgets_the_best_estimator(two_problems):
    (X, y), _ = two_problems
    search = NeighborSearchCV(SoftKNNClassifier(), {"k": [1, 3]}, cv=2).fit(X, y)
    search.set_params(refit=False).fit(X, y)
    assert not hasattr(search, "best_estimator_")
    assert search.best_params_["n_neighbors"] in (1, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("n_alpha", [3, 40])
@pytest.mark.parametrize("several", [False, True])
def test_a_grid_of_scores_that_are_all_nan(two_problems, n_alpha, several):
    (X, y), _ = two_problems
    grid = {"alpha": np.linspace(0.01, 1, n_alpha).tolist()}
    settings = {"cv": 2, "scoring": lambda *args: np.nan}
    if several:
        settings = {"cv": 2, "scoring": {"n": lambda *args: np.nan}, "refit": "n"}
    ours = NeighborSearchCV(JointKNNClassifier(5), grid, **settings).fit(X, y)
    theirs = GridSearchCV(JointKNNClassifier(5), grid, **settings).fit(X, y)
    assert ours.best_index_ == theirs.best_index_ == 0
    name = "mean_test_n" if several else "mean_test_score"
    assert np.isnan(ours.cv_results_[name]).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_points_with_nan_among_many_weightings_are_never_selected(two_problems):
    (X, y), _ = two_problems
    # More than 32 weightings of which the first ones have no score.
    grid = {"lam": [0.0, 0.5], "alpha": np.linspace(0.01, 1, 40).tolist()}

    def scorer(estimator, X, y):
        return np.nan if estimator.lam == 0 else estimator.alpha

    search = NeighborSearchCV(JointKNNClassifier(5), grid, cv=2, scoring=scorer)
    search.fit(X, y)
    assert search.best_params_ == {"lam": 0.5, "alpha": 1.0}


@pytest.mark.parametrize("tau", [1e-3, 1e-2, 0.3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_log_loss_of_two_classes_is_that_of_the_scorer(tau, dtype):
    """The scorer hands on the second class alone: 1 - p is no exact p for the first."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 3)).astype(dtype)
    y = (X[:, 0] + 0.8 * rng.normal(size=120) > 0).astype(int)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    settings = {"scoring": "neg_log_loss", "cv": cv, "return_train_score": True}
    grid = {"k": [2, 5, 20, 60], "tau": [tau]}
    joint = {**grid, "lam": [0, 0.4, 1.0]}
    for estimator, points in (
        (SoftKNNClassifier(), grid),
        (JointKNNClassifier(), joint),
    ):
        ours = NeighborSearchCV(estimator, points, **settings).fit(X, y)
        theirs = GridSearchCV(estimator, points, **settings).fit(X, y)
        for key, want in theirs.cv_results_.items():
            if key.startswith("split"):
                np.testing.assert_array_equal(ours.cv_results_[key], want)


@pytest.mark.parametrize("tau", [1e-3, 0.3])
def test_the_path_of_two_classes_has_the_score_of_a_search_at_its_lambda(tau):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 3))
    y = (X[:, 0] + 0.8 * rng.normal(size=120) > 0).astype(int)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    settings = {"scoring": "neg_log_loss", "cv": cv}
    joint = JointKNNClassifier(20, tau=tau, alpha=0)
    path = NeighborSearchCV(joint, {"lambda": "path"}, **settings).fit(X, y)
    point = {"lambda": [path.best_params_["lam"]]}
    at_it = GridSearchCV(joint, point, **settings).fit(X, y)
    assert path.best_score_ == at_it.best_score_


def test_parameters_found_under_aliases_have_names_of_the_constructor(two_problems):
    (X, y), _ = two_problems
    grid = {"k": [3], "temperature": [0.1], "lambda": [0.2]}
    search = NeighborSearchCV(JointKNNClassifier(), grid, cv=2).fit(X, y)
    assert search.best_params_ == {"n_neighbors": 3, "tau": 0.1, "lam": 0.2}
    again = JointKNNClassifier(**search.best_params_)
    assert again.get_params() == search.best_estimator_.get_params()
    # The table is that of GridSearchCV.
    assert search.cv_results_["params"][search.best_index_] == {
        name: value for name, (value,) in grid.items()
    }
    with pytest.raises(TypeError, match="'n_neighbors'|'tau'|'lam'"):
        JointKNNClassifier(**search.cv_results_["params"][0])


def test_aliases_deep_inside_are_found(two_problems):
    (X, y), _ = two_problems
    inner = Pipeline([("scale", StandardScaler()), ("clf", SoftKNNClassifier())])
    outer = Pipeline([("first", "passthrough"), ("last", inner)])
    grid = {"last__clf__k": [3], "last__scale__with_mean": [False]}
    search = NeighborSearchCV(outer, grid, cv=2).fit(X, y)
    assert search.best_params_ == {
        "last__clf__n_neighbors": 3,
        "last__scale__with_mean": False,
    }
    again = clone(outer).set_params(**search.best_params_)
    assert again["last"]["clf"].n_neighbors == 3


class Resampling(Pipeline):
    """Stands for Pipelines that change rows, such as imbalanced-learn's."""


def test_other_kinds_of_pipelines_are_sent_to_grid_search(two_problems):
    (X, y), _ = two_problems
    pipe = Resampling([("scale", StandardScaler()), ("clf", SoftKNNClassifier())])
    for whole in (pipe, make_pipeline(StandardScaler(), pipe)):
        with pytest.raises(
            ValueError, match=r"takes no .*Resampling.*Use GridSearchCV"
        ):
            NeighborSearchCV(whole, {}, cv=2).fit(X, y)
    GridSearchCV(pipe, {"clf__k": [1, 3]}, cv=2).fit(X, y)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_is_located(two_problems, missing):
    (X, y), _ = two_problems
    y = y.astype(object)
    y[[7, 9]] = missing
    pipe = make_pipeline(StandardScaler(), SoftKNNClassifier())
    with pytest.raises(ValueError, match=r"no label in row 7 .*without one: 2\."):
        NeighborSearchCV(pipe, {}, cv=2).fit(X, y)


def test_parameters_without_effect_beside_a_base_of_ones_own_warn(two_problems):
    (X, y), _ = two_problems
    joint = JointKNNClassifier(5, estimator=LogisticRegression())
    with pytest.warns(UserWarning, match="C=2.0 .*nothing beside estimator"):
        NeighborSearchCV(joint, {"C": [2.0]}, cv=2).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NeighborSearchCV(joint, {"estimator__C": [2.0]}, cv=2).fit(X, y)
