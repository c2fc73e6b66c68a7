"""JointKNNClassifierCV against searches and fits made by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import JointKNNClassifier, JointKNNClassifierCV
from skknn.inspection import (
    HardExamplesDisplay,
    NeighborsDisplay,
    PerClassDisplay,
    TuningDisplay,
)

CV = StratifiedKFold(3, shuffle=True, random_state=0)
SMALL = {"n_neighbors": (2, 8), "tau": (0.05, 0.2), "C": (1, 30), "cv": CV}


@pytest.fixture(scope="module")
def small(digits):
    return digits[0][:240], digits[1][:240]


@pytest.fixture(scope="module")
def fitted(small):
    return JointKNNClassifierCV(**SMALL).fit(*small)


@parametrize_with_checks(
    [JointKNNClassifierCV(n_neighbors=(2, 4), tau=(0.1,), C=(1,), lam=(0, 0.5), cv=2)],
    expected_failed_checks=lambda estimator: {},
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_check_estimator(estimator, check):
    check(estimator)


def stage(search, name):
    """Rows of one stage: params and mean scores."""
    table = search.cv_results_
    rows = [i for i, s in enumerate(table["stage"]) if s == name]
    keys = ("mean_test_score", "mean_test_neg_log_loss")
    return [table["params"][i] for i in rows], *(table[key][rows] for key in keys)


def base_by_hand(search):
    """Lowest log loss within one standard error of the best score."""
    params, scores, losses = stage(search, "base")
    table, n = search.cv_results_, search.n_splits_
    rows = [i for i, s in enumerate(table["stage"]) if s == "base"]
    folds = [[table[f"split{j}_test_score"][i] for j in range(n)] for i in rows]
    behind = [np.subtract(folds[scores.argmax()], fold) for fold in folds]
    close = [b.mean() <= b.std(ddof=1) / n**0.5 + 1e-12 for b in behind]
    return params[max(np.flatnonzero(close), key=lambda i: losses[i])]


@pytest.mark.parametrize("name", ["knn", "base", "joint"])
def test_every_score_is_that_of_fits_by_hand(fitted, small, name):
    X, y = small
    extra = {"knn": {"lam": 1}, "base": {"lam": 0}, "joint": {}}[name]
    params, scores, losses = stage(fitted, name)
    for i in range(0, len(params), 7):
        joint = JointKNNClassifier(**{"alpha": 0, **params[i], **extra})
        ours = cross_val_score(joint, X, y, cv=CV).mean()
        assert scores[i] == pytest.approx(ours, abs=1e-12)
        theirs = cross_val_score(joint, X, y, cv=CV, scoring="neg_log_loss").mean()
        assert losses[i] == pytest.approx(theirs, rel=1e-6)


def test_each_stage_takes_what_its_rule_says(fitted):
    params, _, losses = stage(fitted, "knn")
    assert params[losses.argmax()].items() <= fitted.best_params_.items()
    assert base_by_hand(fitted).items() <= fitted.best_params_.items()
    params, scores, _ = stage(fitted, "joint")
    i = params.index(fitted.best_params_)
    assert fitted.best_score_ == scores[i] >= scores[0]
    assert {0.0, 1.0} <= {p["lam"] for p in params}  # BASE and k-NN


def test_the_best_estimator_is_a_fit_with_the_best_parameters(fitted, small):
    X, y = small
    by_hand = JointKNNClassifier(**fitted.best_params_).fit(X, y)
    proba = by_hand.predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X), proba)
    np.testing.assert_array_equal(fitted.predict(X), by_hand.predict(X))
    np.testing.assert_array_equal(fitted.predict_log_proba(X), np.log(proba))
    np.testing.assert_array_equal(fitted.classes_, np.unique(y))
    np.testing.assert_array_equal(fitted.knn_proba_, by_hand.knn_proba_)
    assert fitted.knn_ is fitted.best_estimator_.knn_
    assert fitted.estimator_ is fitted.best_estimator_.estimator_
    assert fitted.score(X, y) == accuracy_score(y, by_hand.predict(X))


def test_one_standard_error_takes_the_least_share(small):
    X, y = small
    search = JointKNNClassifierCV(**SMALL, selection="one-se").fit(X, y)
    table = search.cv_results_
    rows = [i for i, s in enumerate(table["stage"]) if s == "joint"]
    rows = [i for i in rows if table["params"][i]["C"] == search.best_params_["C"]]
    folds = np.array(
        [[table[f"split{j}_test_score"][i] for j in range(3)] for i in rows]
    )
    best = folds[folds.mean(axis=1).argmax()]
    close = [
        table["params"][i]["lam"]
        for i, row in zip(rows, folds)
        if (best - row).mean() <= (best - row).std(ddof=1) / 3**0.5 + 1e-12
    ]
    assert search.best_params_["lam"] == min(close)


def test_votes_win_where_they_know_more_than_the_base():
    """Classes take turns around a circle: near neighbours tell them, no line does."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 400)
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    y = (angle // (np.pi / 4)).astype(int) % 2
    search = JointKNNClassifierCV(**SMALL).fit(X[:200], y[:200])
    assert search.score(X[200:], y[200:]) > 0.9
    assert accuracy_score(y[200:], search.estimator_.predict(X[200:])) < 0.7
    assert search.best_params_["lam"] > 0.1


def test_rows_that_come_and_go_show_in_the_search(digits):
    X, y = digits[0][:300], digits[1][:300]
    search = JointKNNClassifierCV(**SMALL)
    assert not any(hasattr(search, name) for name in ("knn_", "classes_"))
    search.fit(X, y)
    search.best_estimator_.partial_fit(X[:5] + 0.01, [99] * 5)
    assert search.knn_.n_samples_fit_ == 305
    assert search.classes_.tolist() == [*range(10), 99]
    assert search.predict_proba(X[:2]).shape == (2, 11)
    search.best_estimator_.remove(search.knn_.ids_[-5:])
    assert search.knn_.n_samples_fit_ == 300
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert again.knn_ is again.best_estimator_.knn_


def test_noise_in_place_of_votes_is_left_out(digits):
    X, y = digits[0][:400], digits[1][:400]
    noise = np.random.default_rng(0).normal(size=(400, 8))
    both = np.hstack([X, noise])
    search = JointKNNClassifierCV(
        **SMALL,
        knn_transformer=ColumnTransformer([("noise", "passthrough", slice(64, 72))]),
        estimator=make_pipeline(
            ColumnTransformer([("pixels", "passthrough", slice(0, 64))]),
            LogisticRegression(max_iter=1000),
        ),
    ).fit(both, y)
    assert search.best_params_["lam"] < 0.15
    same = search.predict(both) == search.estimator_.predict(both)
    assert same.mean() > 0.98
    assert hasattr(search, "knn_transformer_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_strengths_of_the_base_do_not_depend_on_the_scale_of_rows(small):
    X, y = small
    settings = {**SMALL, "C": "auto", "lam": (0, 0.5)}
    plain, scaled = (JointKNNClassifierCV(**settings).fit(s * X, y) for s in (1, 8))
    ratio = plain.best_params_["C"] / scaled.best_params_["C"]
    assert ratio == pytest.approx(64, rel=0.02)
    assert plain.best_score_ == pytest.approx(scaled.best_score_, abs=0.01)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (LogisticRegression(), "estimator__C"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            "estimator__logisticregression__C",
        ),
        (GaussianNB(), None),
    ],
)
def test_strength_of_a_given_base(small, base, name):
    X, y = small
    search = JointKNNClassifierCV(**SMALL, estimator=base).fit(X, y)
    assert (name in search.best_params_) == (name is not None)
    again = JointKNNClassifier(estimator=base).set_params(**search.best_params_)
    np.testing.assert_array_equal(
        again.fit(X, y).predict_proba(X), search.predict_proba(X)
    )
    left = JointKNNClassifierCV(**{**SMALL, "C": None}, estimator=base).fit(X, y)
    assert {"n_neighbors", "tau", "alpha", "lam"} == left.best_params_.keys()


@pytest.mark.filterwarnings("ignore:.*carry:UserWarning")
def test_several_alphas_are_chosen_from(small):
    X, y = small
    search = JointKNNClassifierCV(**{**SMALL, "C": 10}, alpha=(0, 0.01, 10)).fit(X, y)
    params, _, _ = stage(search, "base")
    assert [p["alpha"] for p in params] == [0, 0.01, 10]
    assert search.best_params_["alpha"] == base_by_hand(search)["alpha"]


def test_groups_reach_the_splitter(small):
    X, y = small
    groups = np.arange(240) // 8
    settings = {**SMALL, "cv": GroupKFold(3)}
    search = JointKNNClassifierCV(**settings).fit(X, y, groups=groups)
    splits = list(GroupKFold(3).split(X, y, groups))
    by_hand = JointKNNClassifierCV(**{**SMALL, "cv": splits}).fit(X, y)
    assert search.best_params_ == by_hand.best_params_
    assert search.best_score_ == by_hand.best_score_
    with config_context(enable_metadata_routing=True):
        routed = JointKNNClassifierCV(**settings)
        assert routed.fit(X, y, groups=groups).best_score_ == search.best_score_
        scores = cross_val_score(
            routed, X, y, cv=GroupKFold(2), params={"groups": groups}
        )
    assert scores.shape == (2,)
    with pytest.raises(ValueError, match="groups alone"):
        JointKNNClassifierCV(**SMALL).fit(X, y, sample_weight=np.ones(240))


def test_splits_may_come_from_a_generator(fitted, small):
    splits = (split for split in CV.split(*small))
    search = JointKNNClassifierCV(**{**SMALL, "cv": splits}).fit(*small)
    assert search.best_score_ == fitted.best_score_


def test_a_scorer_of_its_own(small):
    X, y = small
    macro = make_scorer(f1_score, average="macro")
    search = JointKNNClassifierCV(**SMALL, scoring=macro).fit(X, y)
    assert search.score(X, y) == f1_score(y, search.predict(X), average="macro")
    params, scores, _ = stage(search, "joint")
    joint = JointKNNClassifier(**params[5])
    theirs = cross_val_score(joint, X, y, cv=CV, scoring=macro).mean()
    assert scores[5] == pytest.approx(theirs, abs=1e-12)


def test_clones_pickles_and_repeats(fitted, small):
    X, y = small
    assert repr(clone(fitted)) == repr(JointKNNClassifierCV(**SMALL))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    repeated = clone(fitted).fit(X, y)
    np.testing.assert_array_equal(repeated.predict_proba(X), fitted.predict_proba(X))
    assert repeated.cv_results_["params"] == fitted.cv_results_["params"]


def test_inside_pipelines_and_searches_and_with_frames(small):
    X, y = small
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    labels = np.array([f"digit {label}" for label in y])
    search = JointKNNClassifierCV(**{**SMALL, "C": "auto"}).fit(frame, labels)
    assert list(search.feature_names_in_) == list(frame.columns)
    assert set(search.predict(frame)) <= set(labels)
    pipe = make_pipeline(StandardScaler(), JointKNNClassifierCV(**SMALL))
    grid = {"jointknnclassifiercv__selection": ["best", "one-se"]}
    outer = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    assert outer.best_estimator_[-1].n_features_in_ == 64


def test_rows_of_any_container_choose_alike(small):
    """Also where ``C`` is found from the rows' scale."""
    X, y = small
    settings = {key: value for key, value in SMALL.items() if key != "C"}
    of_array = JointKNNClassifierCV(**settings).fit(X, y)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    of_frame = JointKNNClassifierCV(**settings).fit(frame, y)
    assert of_frame.best_params_ == of_array.best_params_
    # Another memory order is summed in another order.
    np.testing.assert_allclose(
        of_frame.predict_proba(frame), of_array.predict_proba(X), rtol=1e-9
    )


def test_rows_that_are_no_numbers():
    """Both sides make numbers of words; those of the base are sparse."""
    words = np.array(["red green", "red blue", "green sea", "blue sea"] * 10)
    y = np.arange(40) % 4 // 2
    counts = CountVectorizer().fit(words)
    dense = FunctionTransformer(lambda X: X.toarray())
    settings = {"cv": CV, "lam": (0, 0.5), "n_neighbors": 3, "tau": 0.1}
    search = JointKNNClassifierCV(
        **settings,
        knn_transformer=make_pipeline(CountVectorizer(), dense),
        estimator=make_pipeline(CountVectorizer(), LogisticRegression()),
    ).fit(words, y)
    assert search.score(words, y) == 1
    squares = counts.transform(words).toarray() ** 2
    least = min(
        p.get("estimator__logisticregression__C", np.inf)
        for p in search.cv_results_["params"]
    )
    assert least == pytest.approx(1 / squares.sum(axis=1).mean(), rel=1e-2)


def test_displays_take_it(fitted, small):
    X, y = small
    recall = PerClassDisplay.from_estimator(fitted, X, y).recall
    assert list(recall) == ["kNN", "BASE", "JOINT"]
    assert len(HardExamplesDisplay.from_estimator(fitted, y=y).knn_proba) > 0
    assert NeighborsDisplay.from_estimator(fitted, X[0]) is not None
    display = TuningDisplay.from_cv_results(fitted, x="n_neighbors", y="tau")
    assert display.scores.shape == (2, 2)


def test_few_rows_of_many_classes(digits):
    """Folds lack classes, and the largest k exceeds the rows: no warning, no NaN."""
    X, y = digits
    rows = np.concatenate([np.flatnonzero(y == c)[:2] for c in range(10)])
    search = JointKNNClassifierCV().fit(X[rows], y[rows])
    assert search.n_splits_ == 2
    assert np.isfinite(search.cv_results_["mean_test_neg_log_loss"]).all()
    # One class has a single row, so one training part lacks it.
    search = JointKNNClassifierCV(cv=2)
    with pytest.warns(UserWarning, match="least populated"):
        search.fit(X[rows[1:]], y[rows[1:]])
    assert np.isfinite(search.cv_results_["mean_test_neg_log_loss"]).all()
    with pytest.raises(ValueError, match="No class in y has two rows"):
        JointKNNClassifierCV().fit(X[rows[::2]], y[rows[::2]])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_neighbors": ()}, r"n_neighbors=\(\) has no value"),
        ({"n_neighbors": (0, 4)}, "positive int"),
        ({"tau": (0.1, -1)}, "positive temperature"),
        ({"lam": (0, 1.5)}, "share of the kNN votes"),
        ({"selection": "luckiest"}, "one-se"),
        ({"C": "best"}, "'auto'"),
        ({"scoring": "accurate"}, "scoring"),
    ],
)
def test_errors_name_parameter_and_remedy(small, params, message):
    with pytest.raises(ValueError, match=message):
        JointKNNClassifierCV(**{**SMALL, **params}).fit(*small)


def test_a_fit_that_fails_changes_nothing(fitted, small):
    search = pickle.loads(pickle.dumps(fitted))
    before = dict(vars(search))
    with pytest.raises(ValueError, match="one class"):
        search.fit(small[0], np.zeros(240))
    assert vars(search) == before


def test_aliases_in_set_params():
    search = JointKNNClassifierCV().set_params(k=(3,), temperature=0.2, lambda_=0.1)
    assert (search.n_neighbors, search.tau, search.lam) == ((3,), 0.2, 0.1)


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0, 0, 1]])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_folds_that_leave_one_class_are_its_own_error(labels):
    X = np.arange(float(len(labels)))[:, None]
    with pytest.raises(ValueError, match="cv=5 leaves one class only") as caught:
        JointKNNClassifierCV().fit(X, labels)
    text = str(caught.value)
    assert "JointKNNClassifierCV needs at least 2" in text
    assert "SoftKNN" not in text and "Use more rows of each class" in text
