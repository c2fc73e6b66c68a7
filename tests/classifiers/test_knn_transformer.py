"""Groups on their way to the transformer of the kNN side, and through searches."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, Normalizer

from skknn import (
    BlockWeights,
    JointKNNClassifier,
    JointKNNClassifierCV,
    NeighborSearchCV,
)

CV = StratifiedGroupKFold(3)
GRID = {"k": [3, 5], "tau": [0.05, 0.5], "alpha": [0.0, 1.0], "lam": [0.5, 1.0]}
pytestmark = pytest.mark.filterwarnings("ignore:.*carry:UserWarning")


@pytest.fixture(scope="module")
def bursts():
    """Block "scene" knows bursts, block "class" knows classes."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    y = groups % 2
    scene = rng.normal(size=(40, 4))[groups] + 0.01 * rng.normal(size=(120, 4))
    known = rng.normal(size=(2, 4))[y] + rng.normal(size=(120, 4))
    order = rng.permutation(120)
    return np.hstack([scene, known])[order], y[order], groups[order]


def blocks():
    return BlockWeights(blocks={"scene": slice(4), "class": slice(4, 8)}, tau=(0.1,))


class ByGroups(TransformerMixin, BaseEstimator):
    """Adds a column that tells whether groups came, so that no vote stays the same."""

    def fit(self, X, y, groups=None):
        self.shift_ = 0.0 if groups is None else float(np.mean(groups))
        return self

    def transform(self, X):
        X = np.asarray(X)
        return np.column_stack([X, self.shift_ * X[:, :1]])


def weights(fitted):
    return fitted.knn_transformer_.weights_


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_block_weights_leave_bursts_out(way, routing, bursts):
    X, y, groups = bursts
    want = blocks().fit(X, y, groups=groups).weights_
    alone = blocks().fit(X, y).weights_
    assert want != alone  # by their scene alone, photos find their own burst
    joint = JointKNNClassifier(5, knn_transformer=blocks())
    with config_context(enable_metadata_routing=routing):
        assert weights(getattr(joint, way)(X, y, groups=groups)) == want
    assert weights(joint.fit(X, y)) == alone


@pytest.mark.parametrize("routing", [False, True])
def test_steps_of_pipelines_get_groups_by_name(routing, bursts):
    X, y, groups = bursts
    pipe = make_pipeline(
        "passthrough", make_pipeline(FunctionTransformer(), blocks()), Normalizer()
    )
    joint = JointKNNClassifier(5, knn_transformer=pipe)
    with config_context(enable_metadata_routing=routing):
        joint.fit(X, y, groups=groups)
    found = joint.knn_transformer_["pipeline"]["blockweights"].weights_
    assert found == blocks().fit(X, y, groups=groups).weights_


def test_with_routing_a_transformer_may_say_no_and_containers_say_yes(bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=True):
        no = JointKNNClassifier(
            5, knn_transformer=blocks().set_fit_request(groups=False)
        ).fit(X, y, groups)
        union = make_union(blocks().set_fit_request(groups=True))
        yes = JointKNNClassifier(5, knn_transformer=union).fit(X, y, groups)
    assert weights(no) == blocks().fit(X, y).weights_
    inside = yes.knn_transformer_.transformer_list[0][1]
    assert inside.weights_ == blocks().fit(X, y, groups).weights_


def test_transformers_that_take_no_groups_get_none(bursts):
    X, y, groups = bursts
    for side in (Normalizer(), make_pipeline(Normalizer(), FunctionTransformer())):
        for routing in (False, True):
            with config_context(enable_metadata_routing=routing):
                JointKNNClassifier(5, knn_transformer=side).fit(X, y, groups)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("routing", [False, True])
def test_searches_hand_groups_on_as_grid_search_does(routing, nested, bursts):
    X, y, groups = bursts
    settings = {"cv": list(CV.split(X, y, groups)), "scoring": "neg_log_loss"}
    joint = JointKNNClassifier(knn_transformer=ByGroups())
    with config_context(enable_metadata_routing=routing):
        joint = joint.set_fit_request(groups=True) if routing else joint
        whole, prefix = joint, ""
        if nested:
            whole, prefix = make_pipeline(Normalizer(), joint), "jointknnclassifier__"
        grid = {prefix + name: values for name, values in GRID.items()}
        given = {("" if routing else prefix) + "groups": groups}
        if routing or nested:  # else groups are the splitter's alone
            theirs = GridSearchCV(whole, grid, **settings).fit(X, y, **given)
            ours = NeighborSearchCV(whole, grid, **settings).fit(X, y, **given)
            np.testing.assert_array_equal(
                ours.cv_results_["mean_test_score"],
                theirs.cv_results_["mean_test_score"],
            )
        stages = NeighborSearchCV(whole, grid, strategy="sequential", **settings)
        stages.fit(X, y, **given)
    got_groups = routing or nested
    for params, stage, score in zip(
        stages.cv_results_["params"],
        stages.cv_results_["stage"],
        stages.cv_results_["split1_test_score"],
    ):
        if stage != "knn":
            continue
        train, test = settings["cv"][1]
        side = JointKNNClassifier(
            knn_transformer=ByGroups(), lam=1.0, alpha=0.0
        ).set_params(**{n.removeprefix(prefix): v for n, v in params.items()})
        rows = Normalizer().transform(X) if nested else X
        side.fit(rows[train], y[train], groups[train] if got_groups else None)
        p = side.predict_proba(rows[test])[np.arange(len(test)), y[test]]
        want = np.log(np.maximum(p, np.finfo(float).eps)).mean()
        assert score == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("routing", [False, True])
def test_the_classifier_that_tunes_itself_hands_groups_on(routing, bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=routing):
        tuned = JointKNNClassifierCV(
            n_neighbors=[3, 9], tau=[0.1], C=[1.0], knn_transformer=blocks(), cv=CV
        ).fit(X, y, groups=groups)
    assert weights(tuned) == blocks().fit(X, y, groups=groups).weights_
    train, test = list(CV.split(X, y, groups))[0]
    for number in (0, 1):
        params = tuned.cv_results_["params"][number]
        side = blocks().fit(X[train], y[train], groups=groups[train])
        votes = JointKNNClassifier(**params, lam=1.0, alpha=0.0)
        votes.fit(side.transform(X[train]), y[train])
        score = votes.score(side.transform(X[test]), y[test])
        assert tuned.cv_results_["split0_test_score"][number] == score


def test_scorers_with_a_fit_of_their_own_find_groups_in_the_votes_stage(bursts):
    X, y, groups = bursts
    seen = []

    def shift(estimator, X, y):
        for step in (*getattr(estimator, "steps", []), ("", estimator)):
            for name in ("transformer_", "knn_transformer_"):
                if hasattr(step[1], name):
                    seen.append(getattr(step[1], name).shift_)
        return float((estimator.predict(X) == y).mean())

    JointKNNClassifierCV(
        n_neighbors=[3, 9], tau=[0.1], C=[1.0], knn_transformer=ByGroups(), cv=3,
        scoring=shift,
    ).fit(X, y, groups=groups)  # fmt: skip
    assert len(seen) > 6
    assert all(seen)
