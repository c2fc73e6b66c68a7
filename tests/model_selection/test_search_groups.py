"""Groups in the shared search: to the splitter, to leave-one-out, or to both."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

from skknn import (
    BlockWeights,
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)

CV = StratifiedGroupKFold(3)
pytestmark = pytest.mark.filterwarnings("ignore:.*carry:UserWarning")


@pytest.fixture(scope="module")
def bursts():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 3)
    truth = np.arange(60) % 3
    X = rng.normal(size=(3, 8))[truth] + rng.normal(size=(60, 8))
    X = X[groups] + 0.02 * rng.normal(size=(180, 8))
    order = rng.permutation(180)
    return X[order], truth[groups][order], groups[order]


def means(search):
    return search.cv_results_["mean_test_score"]


@pytest.mark.parametrize("cls", [KNNWeightedLogisticRegression, JointKNNClassifier])
@pytest.mark.parametrize("nested", [False, True])
def test_routed_groups_give_the_scores_of_grid_search(cls, nested, bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=True):
        clf = cls().set_fit_request(groups=True)
        prefix = ""
        if nested:
            clf, prefix = make_pipeline(PCA(6), clf), f"{cls.__name__.lower()}__"
        grid = {f"{prefix}k": [2, 5], f"{prefix}alpha": [0.0, 1.0]}
        settings = {"cv": CV, "scoring": "neg_log_loss"}
        theirs = GridSearchCV(clf, grid, **settings).fit(X, y, groups=groups)
        ours = NeighborSearchCV(clf, grid, **settings).fit(X, y, groups=groups)
        # The same clf: the two above have fitted clones of it.
        (clf[-1] if nested else clf).set_fit_request(groups=False)
        apart = NeighborSearchCV(clf, grid, **settings).fit(X, y, groups=groups)
    np.testing.assert_array_equal(means(ours), means(theirs))
    np.testing.assert_array_equal(
        ours.best_estimator_.predict_proba(X), theirs.best_estimator_.predict_proba(X)
    )
    np.testing.assert_array_equal(means(apart)[:2], means(ours)[:2])  # alpha = 0
    assert (means(apart)[2:] != means(ours)[2:]).all()


def test_other_names_and_steps_that_want_groups(bursts):
    X, y, groups = bursts
    grid = {"knnweightedlogisticregression__alpha": [0.1, 1.0]}
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            BlockWeights(blocks=2).set_fit_request(groups="track"),
            KNNWeightedLogisticRegression(5).set_fit_request(groups="track"),
        )
        theirs = GridSearchCV(pipe, grid, cv=3).fit(X, y, track=groups)
        ours = NeighborSearchCV(pipe, grid, cv=3).fit(X, y, track=groups)
        sequential = NeighborSearchCV(pipe, grid, cv=3, strategy="sequential")
        sequential.fit(X, y, track=groups)
    np.testing.assert_array_equal(means(ours), means(theirs))
    assert sequential.best_score_ == ours.best_score_


def test_scorers_with_a_fit_of_their_own_get_groups(bursts):
    X, y, groups = bursts

    def mean_weight(estimator, X, y):
        return float(estimator.sample_weight_.mean())

    with config_context(enable_metadata_routing=True):
        clf = KNNWeightedLogisticRegression(5).set_fit_request(groups=True)
        settings = {"param_grid": {"alpha": [0.1, 1.0]}, "scoring": mean_weight}
        theirs = GridSearchCV(clf, **settings, cv=3).fit(X, y, groups=groups)
        ours = NeighborSearchCV(clf, **settings, cv=3).fit(X, y, groups=groups)
    np.testing.assert_array_equal(means(ours), means(theirs))


def test_without_routing_groups_are_for_the_splitter_as_in_grid_search(bursts):
    X, y, groups = bursts
    settings = {"param_grid": {"alpha": [0.1, 1.0]}, "cv": CV}
    clf = KNNWeightedLogisticRegression(2)
    theirs = GridSearchCV(clf, **settings).fit(X, y, groups=groups)
    ours = NeighborSearchCV(clf, **settings).fit(X, y, groups=groups)
    np.testing.assert_array_equal(means(ours), means(theirs))
    np.testing.assert_array_equal(
        ours.best_estimator_.knn_proba_, theirs.best_estimator_.knn_proba_
    )


def test_without_routing_a_step_of_a_pipeline_can_be_named(bursts):
    X, y, groups = bursts
    pipe = make_pipeline(PCA(6), KNNWeightedLogisticRegression(2))
    settings = {
        "param_grid": {"knnweightedlogisticregression__alpha": [0.1, 1.0]},
        "cv": 3,
        "scoring": "neg_log_loss",
    }
    given = {"knnweightedlogisticregression__groups": groups}
    theirs = GridSearchCV(pipe, **settings).fit(X, y, **given)
    ours = NeighborSearchCV(pipe, **settings).fit(X, y, **given)
    np.testing.assert_array_equal(means(ours), means(theirs))
    with pytest.raises(ValueError, match=r"passes knnw.*groups on .*Use GridSearchCV"):
        NeighborSearchCV(pipe, **settings).fit(X, y, pca__what=groups)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_loo_leaves_groups_out(routing, nested, bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=routing):
        clf = SoftKNNClassifier()
        clf = clf.set_fit_request(groups=True) if routing else clf
        clf = make_pipeline("passthrough", clf) if nested else clf
        prefix = "softknnclassifier__" if nested else ""
        grid = {f"{prefix}k": [1, 5, 20], f"{prefix}tau": [0.05, 0.5]}
        search = NeighborSearchCV(clf, grid, cv="loo").fit(X, y, groups=groups)
        best = search.best_estimator_
    for params, score in zip(search.cv_results_["params"], means(search)):
        names = {name.removeprefix(prefix): value for name, value in params.items()}
        knn = SoftKNNClassifier().set_params(**names).fit(X, y, groups)
        assert score == pytest.approx((knn.predict(None) == y).mean(), abs=1e-12)
    assert max(means(search)) < 1  # without groups, copies make it 1
    assert NeighborSearchCV(clf, grid, cv="loo").fit(X, y).best_score_ == 1
    ids = (best[-1] if nested else best).kneighbors(return_distance=False)
    assert (groups[ids] != groups[:, None]).all()


SMALL = {"n_neighbors": [2, 4], "tau": [0.1], "alpha": [0.0, 1.0], "C": [1.0]}


@pytest.mark.parametrize("routing", [False, True])
def test_the_classifier_that_tunes_itself_leaves_groups_out(routing, bursts):
    X, y, groups = bursts
    splits = list(GroupKFold(3).split(X, y, groups))
    with config_context(enable_metadata_routing=routing):
        joint = JointKNNClassifierCV(**SMALL, cv=GroupKFold(3))
        joint.fit(X, y, groups=groups)
        given = JointKNNClassifierCV(**SMALL, cv=splits).fit(X, y, groups=groups)
    want = JointKNNClassifier(**joint.best_params_).fit(X, y, groups)
    np.testing.assert_array_equal(joint.knn_proba_, want.knn_proba_)
    np.testing.assert_array_equal(means(given), means(joint))
    base = joint.cv_results_["stage"].index("base")
    assert joint.cv_results_["params"][base + 1]["alpha"] == 1.0
    train, test = splits[0]
    weighted = JointKNNClassifier(
        **{**joint.cv_results_["params"][base + 1], "lam": 0}
    ).fit(X[train], y[train], groups[train])
    score = joint.cv_results_["split0_test_score"][base + 1]
    assert score == weighted.score(X[test], y[test])


def test_cross_validation_hands_groups_to_the_classifier_that_tunes_itself(bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=True):
        joint = JointKNNClassifierCV(**SMALL, cv=GroupKFold(2))
        scores = cross_val_score(
            joint, X, y, cv=GroupKFold(2), params={"groups": groups}
        )
    assert (scores > 0.5).all()


def test_a_missing_group_is_named_by_its_row_among_all():
    # The last row of the three folds' first training part is another one.
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    groups = [*range(29), None]
    with pytest.raises(ValueError, match=r"groups has no label in row 29 "):
        JointKNNClassifierCV(n_neighbors=[3], tau=[0.1], cv=3).fit(X, y, groups=groups)
