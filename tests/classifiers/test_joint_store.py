"""JointKNNClassifier with rows that come and go, and a base that follows on demand."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skknn import JointKNNClassifier, SoftKNNClassifier

pl = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = np.arange(240) % 4
    X = 1.5 * rng.normal(size=(4, 6))[y] + rng.normal(size=(240, 6)) + 1
    return X, y


def tight(tol=1e-12, **params):
    """A base at its minimum, whatever it starts from."""
    base = LogisticRegression(solver="newton-cholesky", tol=tol)
    return JointKNNClassifier(8, alpha=0.5, estimator=base, **params)


def test_votes_see_new_rows_and_the_base_does_not(rows):
    X, y = rows
    joint = tight(lam=0.3).fit(X[:160], y[:160])
    base, weights = joint.estimator_, joint.sample_weight_
    joint.partial_fit(X[160:], y[160:])
    assert joint.estimator_ is base and joint.sample_weight_ is weights
    knn = SoftKNNClassifier(8).fit(X[:160], y[:160]).partial_fit(X[160:], y[160:])
    want = 0.3 * knn.predict_proba(X) + 0.7 * base.predict_proba(X)
    np.testing.assert_allclose(joint.predict_proba(X), want, atol=1e-15)
    ids = np.arange(0, 240, 7)
    joint.remove(ids)
    want = 0.3 * knn.remove(ids).predict_proba(X) + 0.7 * base.predict_proba(X)
    np.testing.assert_allclose(joint.predict_proba(X), want, atol=1e-15)
    np.testing.assert_array_equal(joint.knn_.ids_, knn.ids_)


@pytest.mark.parametrize("preprocessing", ["l2", None])
@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("dtype, tol, atol", [("f8", 1e-12, 1e-9), ("f4", 1e-4, 1e-3)])
@pytest.mark.filterwarnings("ignore:preprocessing=None:UserWarning")
def test_a_refit_base_is_that_of_a_fit(rows, preprocessing, metric, dtype, tol, atol):
    # Nothing is learnt from the rows here, so a fit on all is the same thing.
    X, y = rows[0].astype(dtype), rows[1]
    params = {"preprocessing": preprocessing, "metric": metric, "tau": 1.0}
    joint, want = tight(tol, **params), tight(tol, **params)
    gone = np.arange(3, 200, 9)
    left = np.setdiff1d(np.arange(240), gone)
    want.fit(X[left], y[left])
    joint.fit(X[:160], y[:160]).partial_fit(X[160:], y[160:]).remove(gone)
    joint.refit_base()
    np.testing.assert_array_equal(joint.knn_proba_, want.knn_proba_)
    np.testing.assert_allclose(joint.predict_proba(X), want.predict_proba(X), atol=atol)


def test_a_refit_base_with_the_mean_held(rows):
    X, y = rows
    joint = tight(lam=0).fit(X[:160], y[:160]).partial_fit(X[160:], y[160:])
    joint.set_params(alpha=2.0).refit_base()
    knn = SoftKNNClassifier(8).fit(X[:160], y[:160]).partial_fit(X[160:], y[160:])
    proba = knn.predict_proba(None)[np.arange(240), y]
    with np.errstate(divide="ignore"):
        weights = 1 + 2 * np.minimum(-np.log(proba), 100)
    np.testing.assert_allclose(joint.sample_weight_, weights, rtol=1e-9)
    base = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    want = base.fit(X, y, sample_weight=weights).predict_proba(X)
    np.testing.assert_allclose(joint.predict_proba(X), want, atol=1e-9)


def test_rows_of_the_base_are_not_kept_twice(rows):
    X, y = rows
    joint = tight().fit(X[:160], y[:160]).partial_fit(X[160:], y[160:])
    assert joint.base_rows_ is None
    knn = SoftKNNClassifier(8).fit(X, y)
    assert len(pickle.dumps(joint)) < 1.8 * len(pickle.dumps(knn))
    again = pickle.loads(pickle.dumps(joint)).refit_base()
    np.testing.assert_array_equal(
        again.predict_proba(X), joint.refit_base().predict_proba(X)
    )


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_classes_that_the_base_does_not_know(rows, lam):
    X, y = rows
    old = y < 3
    joint = tight(lam=lam).fit(X[old], y[old])
    base = joint.estimator_.predict_proba(X)
    joint.partial_fit(X[~old], y[~old], classes=[9])
    assert joint.classes_.tolist() == [0, 1, 2, 3, 9]
    assert joint.base_classes_.tolist() == [0, 1, 2]
    votes = joint.knn_.predict_proba(X)
    proba = joint.predict_proba(X)
    np.testing.assert_allclose(proba[:, :3], lam * votes[:, :3] + (1 - lam) * base)
    np.testing.assert_allclose(proba[:, 3:], lam * votes[:, 3:], atol=1e-15)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert set(joint.predict(X)) <= {0, 1, 2, 3}
    joint.refit_base()
    assert joint.base_classes_.tolist() == [0, 1, 2, 3]
    assert joint.predict_proba(X).shape == (240, 5)
    assert joint.score(X, y) > 0.7


def test_the_first_call_is_a_fit(rows):
    X, y = rows
    joint = tight().partial_fit(X, y, classes=[7])
    want = tight().fit(X, y)
    assert joint.classes_.tolist() == [0, 1, 2, 3, 7]
    np.testing.assert_array_equal(joint.predict_proba(X)[:, :4], want.predict_proba(X))
    fresh = tight()
    with pytest.raises(ValueError, match=r"at least 2 classes, got 0 alone in 60 rows"):
        fresh.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    assert vars(fresh).keys() == vars(tight()).keys()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_keep_their_names(rows, frame):
    X, y = rows
    table = frame(dict(zip("abcdef", X.T)))
    base = make_pipeline(
        make_column_transformer((StandardScaler(), ["a", "c"])),
        RandomForestClassifier(20, random_state=0),
    )
    joint = JointKNNClassifier(8, estimator=base, preprocessing="l2")
    want = JointKNNClassifier(8, estimator=base, preprocessing="l2")
    gone = np.arange(0, 240, 5)
    left = np.setdiff1d(np.arange(240), gone)
    want.fit(table[left] if frame is pl.DataFrame else table.iloc[left], y[left])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joint.fit(table[:160], y[:160]).partial_fit(table[160:], y[160:]).remove(gone)
        joint.refit_base()
        np.testing.assert_array_equal(
            joint.predict_proba(table), want.predict_proba(table)
        )


@pytest.mark.parametrize("kind", [list, np.array])
def test_sides_that_see_different_things(kind):
    words = ["red apple", "green apple", "blue sky", "grey sky", "red sky"] * 12
    y = np.array([0, 0, 1, 1, 1] * 12)
    counts = make_pipeline(
        CountVectorizer(), FunctionTransformer(lambda X: X.toarray())
    )
    joint = JointKNNClassifier(
        3,
        knn_transformer=counts,
        estimator=make_pipeline(CountVectorizer(), MultinomialNB()),
    )
    joint.fit(kind(words[:40]), y[:40]).partial_fit(kind(words[40:]), y[40:])
    joint.remove([1, 2]).refit_base()
    assert len(joint.sample_weight_) == len(joint.base_rows_) == 58
    assert list(joint.base_rows_[:2]) == ["red apple", "grey sky"]
    assert joint.score(words, y) == 1


def test_column_selectors(rows):
    X, y = rows
    table = pd.DataFrame(X, columns=list("abcdef"))
    select = make_column_transformer(("passthrough", make_column_selector("[a-c]")))
    joint = JointKNNClassifier(8, knn_transformer=select)
    joint.fit(table[:200], y[:200]).partial_fit(table[200:], y[200:]).refit_base()
    assert joint.score(table, y) > 0.7
    assert joint.knn_.index_.rows.rows_.values.shape == (240, 3)


@pytest.mark.filterwarnings("ignore:.*carry:UserWarning")
def test_groups_come_along(rows):
    X, y = rows
    X, y = np.repeat(X[:80], 3, axis=0), np.repeat(y[:80], 3)
    groups = np.repeat(np.arange(80), 3)
    joint = tight(preprocessing="l2").fit(X[:121], y[:121], groups[:121])
    joint.partial_fit(X[121:], y[121:], groups=groups[121:]).refit_base()
    want = tight(preprocessing="l2").fit(X, y, groups)
    np.testing.assert_array_equal(joint.knn_proba_, want.knn_proba_)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda joint, X, y: joint.partial_fit(X[:3, :2], y[:3]), "features"),
        (lambda joint, X, y: joint.partial_fit(X[:3], ["a"] * 3), "mixes words"),
        (lambda joint, X, y: joint.remove([999]), "none of"),
        (
            lambda joint, X, y: joint.set_params(
                estimator=LogisticRegression(C=-1)
            ).refit_base(),
            "'C' parameter",
        ),
    ],
)
def test_calls_that_fail_leave_all_as_it_was(rows, call, message):
    X, y = rows
    joint = tight().fit(X, y)
    before, want = dict(vars(joint)), joint.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        call(joint, X, y)
    after = {**vars(joint), "estimator": before["estimator"]}
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())
    np.testing.assert_array_equal(joint.predict_proba(X), want)


def test_one_class_is_left(rows):
    X, y = rows
    joint = tight().fit(X, y)
    joint.remove(joint.knn_.ids_[y > 0])
    with pytest.raises(ValueError, match="got 0 alone in 60 rows. Add rows of others"):
        joint.refit_base()
    assert joint.predict_proba(X).shape == (240, 4)


@pytest.mark.parametrize("call", ["partial_fit", "remove", "refit_base"])
def test_parameters_of_votes_that_are_set_later_count(rows, call):
    X, y = rows
    joint = tight().fit(X, y).set_params(n_neighbors=3, tau=0.7)
    knn = SoftKNNClassifier(3, tau=0.7).fit(X, y)
    args = {"partial_fit": (X[:9], y[:9]), "remove": ([4, 5],), "refit_base": ()}[call]
    getattr(joint, call)(*args)
    if call != "refit_base":
        getattr(knn, call)(*args)
    want = knn.predict_proba(X)
    np.testing.assert_array_equal(joint.knn_.predict_proba(X), want)
    joint.refit_base()
    own = knn.predict_proba(None)
    own = own[np.arange(len(own)), knn.index_.codes]
    np.testing.assert_array_equal(joint.knn_proba_, own)
    with pytest.raises(ValueError, match="'n_neighbors' parameter"):
        joint.set_params(n_neighbors=-3).remove([7])


def test_a_base_on_graphs_is_refitted_with_other_parameters_of_votes(rows):
    X, y = rows
    graph = KNeighborsTransformer(n_neighbors=20, mode="distance")
    params = {"knn_transformer": graph, "algorithm": "precomputed", "tau": 2.0}
    joint = tight(**params).fit(X, y).set_params(n_neighbors=3).refit_base()
    want = tight(**params).set_params(n_neighbors=3).fit(X, y)
    np.testing.assert_array_equal(joint.knn_proba_, want.knn_proba_)
    np.testing.assert_allclose(joint.predict_proba(X), want.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("lam", [3, -0.2, np.nan])
def test_a_share_that_is_none_is_refused_after_fit_too(rows, lam):
    joint = tight().fit(*rows).set_params(lam=lam)
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        joint.predict_proba(rows[0])


def test_sparse_rows_of_the_base_come_and_go(rows):
    X, y = csr_matrix(np.where(rows[0] > 1, rows[0], 0)), rows[1]
    joint = tight(knn_transformer=TruncatedSVD(3, random_state=0))
    joint.fit(X[:160], y[:160]).partial_fit(X[160:], y[160:]).remove([0, 200])
    left = np.delete(np.arange(240), [0, 200])
    assert joint.base_rows_.format == "csr"
    np.testing.assert_array_equal(joint.base_rows_.toarray(), X[left].toarray())
    joint.refit_base()
    weights = joint.sample_weight_
    base = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    base.fit(X[left], y[left], sample_weight=weights)
    np.testing.assert_array_equal(joint.estimator_.coef_, base.coef_)


def test_frames_stay_frames_for_the_base_where_the_votes_see_them_too(rows):
    X, y = pd.DataFrame(rows[0], columns=list("abcdef")), rows[1]
    base = make_pipeline(
        make_column_transformer((StandardScaler(), list("abc"))), LogisticRegression()
    )
    joint = JointKNNClassifier(
        8, tau=1.0, estimator=base, knn_transformer=FunctionTransformer()
    ).fit(X[:160], y[:160])
    joint.partial_fit(X[160:], y[160:]).refit_base()
    pd.testing.assert_frame_equal(joint.base_rows_, X)


@pytest.mark.parametrize("first", ["frame", "sparse"])
def test_rows_of_another_kind_than_those_of_the_base_are_refused(first, rows):
    X, y = rows
    kinds = {"frame": pd.DataFrame(X), "sparse": csr_matrix(X)}
    params = {"knn_transformer": TruncatedSVD(3)} if first == "sparse" else {}
    joint = tight(**params).fit(kinds[first], y)
    want = joint.predict_proba(kinds[first])
    with pytest.raises(ValueError, match="X is a ndarray, .* as it was passed to fit"):
        joint.partial_fit(X[:5], y[:5])
    np.testing.assert_array_equal(joint.predict_proba(kinds[first]), want)
