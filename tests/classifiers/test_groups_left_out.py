"""Leave-one-out that leaves out the row's own group, in the three classifiers."""

import warnings

import numpy as np
import pytest
from references import prepare, sorted_neighbors, votes
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)

GUIDED = [KNNWeightedLogisticRegression, JointKNNClassifier]


@pytest.fixture(scope="module")
def bursts():
    """Bursts of three near-copies; some bursts are labelled wrongly as a whole."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    truth = np.arange(40) % 4
    X = 2 * rng.normal(size=(4, 6))[truth] + rng.normal(size=(40, 6))
    X = X[groups] + 0.01 * rng.normal(size=(120, 6))
    labels = truth.copy()
    labels[[3, 17, 30]] = (labels[[3, 17, 30]] + 1) % 4
    order = rng.permutation(120)
    return X[order], labels[groups][order], groups[order]


def plain_proba(X, y, groups, k, tau):
    """Votes of the rows of other groups, by loops."""
    rows, _ = prepare(X, X, "center-l2")
    out = []
    for i, row in enumerate(rows):
        everyone = sorted_neighbors(rows, row, len(rows), "sqeuclidean", skip=i)
        others = [(d, j) for d, j in everyone if groups[j] != groups[i]]
        out.append(votes(others[:k], y, tau, y.max() + 1))
    return np.array(out)


@pytest.mark.parametrize("k, tau", [(1, 0.1), (7, 0.05), (40, 0.5)])
@pytest.mark.filterwarnings("ignore:.*carry:UserWarning")
def test_votes_equal_plain_loops(bursts, k, tau):
    X, y, groups = bursts
    want = plain_proba(X, y, groups, k, tau)
    knn = SoftKNNClassifier(k, tau=tau).fit(X, y, groups)
    np.testing.assert_allclose(knn.predict_proba(None), want, atol=1e-11)
    np.testing.assert_array_equal(knn.predict(None), want.argmax(axis=1))
    own = want[np.arange(len(y)), y]
    for cls in GUIDED:
        fitted = cls(k, tau=tau, alpha=0.1).fit(X, y, groups=groups)
        np.testing.assert_allclose(fitted.knn_proba_, own, atol=1e-11)
        with np.errstate(divide="ignore"):
            nll = np.minimum(-np.log(own), 100)
        np.testing.assert_allclose(fitted.sample_weight_, 1 + 0.1 * nll, rtol=1e-9)


def test_a_burst_that_is_labelled_wrongly_is_found_by_groups_alone(bursts):
    X, y, groups = bursts
    wrong = np.isin(groups, [3, 17, 30])
    plain = KNNWeightedLogisticRegression(3).fit(X, y)
    apart = KNNWeightedLogisticRegression(3).fit(X, y, groups)
    assert plain.knn_proba_[wrong].min() > 0.6  # its own copies agree
    assert apart.knn_proba_[wrong].max() < 0.4


def test_leave_one_out_equals_fits_without_the_group(bursts):
    # "l2" learns nothing from the rows, so a fit without some is the same thing.
    X, y, groups = bursts
    got = SoftKNNClassifier(8, preprocessing="l2").fit(X, y, groups).predict_proba(None)
    for i in range(0, 120, 11):
        keep = groups != groups[i]
        one = SoftKNNClassifier(8, preprocessing="l2").fit(X[keep], y[keep])
        np.testing.assert_allclose(one.predict_proba(X[[i]])[0], got[i], atol=1e-12)


def test_queries_and_the_base_see_no_groups(bursts):
    X, y, groups = bursts
    knn = SoftKNNClassifier(5).fit(X, y)
    np.testing.assert_array_equal(
        SoftKNNClassifier(5).fit(X, y, groups).predict_proba(X), knn.predict_proba(X)
    )
    joint = JointKNNClassifier(5, alpha=0)
    np.testing.assert_array_equal(
        clone(joint).fit(X, y, groups).predict_proba(X),
        joint.fit(X, y).predict_proba(X),
    )


def test_kneighbors_of_training_rows_leave_out_their_groups(bursts):
    X, y, groups = bursts
    knn = SoftKNNClassifier(5).fit(X, y, groups)
    for k in (None, 1, 117):
        ids = knn.kneighbors(n_neighbors=k, return_distance=False)
        assert (groups[ids] != groups[:, None]).all()
    with pytest.warns(UserWarning, match="117 rows that can vote"):
        assert knn.kneighbors(n_neighbors=118)[1].shape == (120, 117)


def test_a_class_in_one_group_has_no_neighbour_of_its_own(bursts):
    X, y, groups = bursts
    y = np.where(groups == 7, 4, y)
    fitted = KNNWeightedLogisticRegression(9, alpha=0.001).fit(X, y, groups)
    assert (fitted.knn_proba_[groups == 7] == 0).all()
    assert (fitted.modulation_[groups == 7] == 100).all()
    assert fitted.sample_weight_[groups == 7] == pytest.approx(1.1)


@pytest.mark.parametrize("cls", [SoftKNNClassifier, *GUIDED])
def test_groups_that_leave_nobody(cls, bursts):
    X, y, groups = bursts
    fitted = cls(5).fit(X, y, groups)
    before = dict(vars(fitted))
    with pytest.raises(ValueError, match="more than one group.*groups=None"):
        fitted.fit(X, y, np.zeros(120))
    with pytest.raises(ValueError, match="groups has 119 entries for 120 rows"):
        fitted.fit(X, y, groups[1:])
    with pytest.raises(ValueError, match="groups has no label in row 1"):
        fitted.fit(X, y, [1, None] * 60)
    assert vars(fitted) == before


def test_a_large_group_leaves_few_who_vote_and_a_warning(bursts):
    X, y, groups = bursts
    large = np.where(groups < 36, 0, groups)
    with pytest.warns(
        UserWarning, match="12 rows are left.*not n_neighbors=20"
    ) as seen:
        knn = SoftKNNClassifier().fit(X, y, large)
    assert seen[0].filename == __file__
    assert knn.n_neighbors_ == 20  # of queries
    want = plain_proba(X, y, large, 12, 0.1)
    np.testing.assert_allclose(knn.predict_proba(None), want, atol=1e-11)


def test_graphs_of_neighbours_take_groups(bursts):
    X, y, groups = bursts
    rows, _ = prepare(X, X, "center-l2")
    graph = KNeighborsTransformer(n_neighbors=9, mode="distance").fit_transform(rows)
    graph.data **= 2
    knn = SoftKNNClassifier(7, algorithm="precomputed").fit(graph, y, groups)
    want = plain_proba(X, y, groups, 7, 0.1)
    np.testing.assert_allclose(knn.predict_proba(None), want, atol=1e-9)


@pytest.mark.parametrize("cls", GUIDED)
def test_grid_search_routes_groups_to_the_weights(cls, bursts):
    X, y, groups = bursts
    with config_context(enable_metadata_routing=True):
        clf = cls(3, alpha=1.0).set_fit_request(groups=True)
        pipe = make_pipeline(StandardScaler(), clf)
        name = f"{cls.__name__.lower()}__k"
        search = GridSearchCV(pipe, {name: [3, 5]}, cv=GroupKFold(4))
        search.fit(X, y, groups=groups)
        best = search.best_estimator_
    k = search.best_params_[name]
    rows = best[0].transform(X)
    want = clone(clf).set_params(k=k).fit(rows, y, groups)
    np.testing.assert_array_equal(best[-1].knn_proba_, want.knn_proba_)
    plain = clone(clf).set_params(k=k).fit(rows, y)
    assert (plain.knn_proba_ != want.knn_proba_).any()


def test_nothing_warns_about_bursts(bursts):
    X, y, groups = bursts
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftKNNClassifier().fit(X, y, groups).predict_proba(None)
