"""Rows come and go: always the votes of a fit on what is there."""

import copy
import importlib.util
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsTransformer, NearestNeighbors

from skknn import SoftKNNClassifier
from skknn.datastore import Preprocessor
from skknn.neighbors import _auto as auto

ENGINES = ["auto", "brute", "torch", NearestNeighbors(algorithm="kd_tree")]
ENGINES += ["faiss"] if importlib.util.find_spec("faiss") else []
ENGINES += ["fast"] if importlib.util.find_spec("numba") else []
NAMES = np.array(["ant", "bee", "cat", "dog", "elk"])


def draw(rng, n, round_numbers):
    """Rows of three columns: with many ties, copies and zeros, or without."""
    if round_numbers:
        return rng.integers(-1, 2, (n, 3)).astype(np.float32)
    return rng.normal(size=(n, 3)).astype(np.float32)


class Mirror:
    """The rows that ought to be there, in plain arrays."""

    def __init__(self, knn, X, y):
        self.knn, self.X, self.y, self.ids = knn, X, y, np.arange(len(y))
        self.first, self.next_id = Preprocessor(knn.preprocessing).fit(X), len(y)

    def add(self, X, y):
        self.X, self.y = np.concatenate([self.X, X]), np.concatenate([self.y, y])
        self.ids = np.append(self.ids, self.next_id + np.arange(len(y)))
        self.next_id += len(y)

    def remove(self, ids):
        kept = ~np.isin(self.ids, ids)
        self.X, self.y, self.ids = self.X[kept], self.y[kept], self.ids[kept]

    def check(self, queries):
        """Compare with a fit on the rows, prepared with the statistics held."""
        knn = self.knn
        fresh = clone(knn).set_params(preprocessing=None, tau=knn.tau_)
        classes = np.unique(self.y)
        assert set(classes) <= set(knn.classes_)
        np.testing.assert_array_equal(knn.ids_, self.ids)
        assert knn.n_samples_fit_ == len(self.y)
        if len(classes) < 2:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fresh.fit(self.first.transform(self.X), self.y)
        assert knn.n_neighbors_ == fresh.n_neighbors_
        prepared = self.first.transform(queries)
        for mine, theirs in ((queries, prepared), (None, None)):
            for a, b in zip(knn.kneighbors(mine), fresh.kneighbors(theirs)):
                np.testing.assert_array_equal(a, b)
            columns = np.isin(knn.classes_, classes)
            got = knn.predict_proba(mine)
            np.testing.assert_array_equal(got[:, columns], fresh.predict_proba(theirs))
            assert not got[:, ~columns].any()
            np.testing.assert_array_equal(knn.predict(mine), fresh.predict(theirs))


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "save"]), st.integers(1, 12)),
    min_size=1,
    max_size=7,
)


@pytest.mark.parametrize("algorithm", ENGINES, ids=str)
@given(
    steps=STEPS,
    seed=st.integers(0, 2**16),
    round_numbers=st.booleans(),
    metric=st.sampled_from(["sqeuclidean", "euclidean", "cosine"]),
    preprocessing=st.sampled_from(["center-l2", "l2-center", "l2", None]),
    n_neighbors=st.sampled_from([1, 4, "mean"]),
)
@settings(max_examples=25, deadline=None)
@pytest.mark.filterwarnings("ignore:n_neighbors=:UserWarning")
@pytest.mark.filterwarnings("ignore:preprocessing=None:UserWarning")
def test_any_sequence_equals_a_fit_on_what_is_left(
    algorithm, steps, seed, round_numbers, metric, preprocessing, n_neighbors
):
    rng = np.random.default_rng(seed)
    X, y = draw(rng, 9, round_numbers), NAMES[[1, 3, *rng.choice([1, 3], 7)]]
    queries = draw(rng, 5, round_numbers)
    knn = SoftKNNClassifier(
        n_neighbors, metric=metric, preprocessing=preprocessing, algorithm=algorithm
    ).fit(X, y)
    mirror = Mirror(knn, X, y)
    for step, n in steps:
        if step == "add":
            X, y = draw(rng, n, round_numbers), NAMES[rng.integers(0, 5, n)]
            knn.partial_fit(X, y)
            mirror.add(X, y)
        elif step == "remove":
            ids = rng.choice(mirror.ids, min(n, len(mirror.ids) - 2), replace=False)
            knn.remove(ids)
            mirror.remove(ids)
        else:
            knn = mirror.knn = pickle.loads(pickle.dumps(knn))
        mirror.check(queries)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 8)).astype(np.float32), np.arange(300) % 3


@pytest.mark.parametrize("algorithm", ENGINES, ids=str)
def test_many_small_additions_and_larger_engines(algorithm, rows, monkeypatch):
    monkeypatch.setattr(auto, "_LARGE", 100)
    X, y = rows
    knn = SoftKNNClassifier(7, algorithm=algorithm).fit(X[:100], y[:100])
    mirror = Mirror(knn, X[:100], y[:100])
    for start in range(100, 300, 8):
        knn.predict(X[:80])  # an engine that copies rows has copied them
        part = slice(start, start + 8)
        knn.partial_fit(X[part], y[part])
        mirror.add(X[part], y[part])
    mirror.check(X[:80])


@pytest.mark.parametrize("name", ["hnsw", "ivf"])
def test_approximate_engines_grow_and_shrink(name):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 16))[rng.integers(20, size=3000)]
    X = (X + 0.3 * rng.normal(size=X.shape)).astype(np.float32)
    y = rng.integers(0, 3, 3000)
    knn = SoftKNNClassifier(10, algorithm=name).fit(X[:1500], y[:1500])
    old, before = copy.copy(knn), knn.kneighbors(X[::50])
    for part in (slice(1500, 1600), slice(1600, 3000)):  # the last one is too many
        knn.partial_fit(X[part], y[part])
        assert knn.recall_ > 0.95
        fresh = SoftKNNClassifier(10, preprocessing=None)
        first = Preprocessor("center-l2").fit(X[:1500])
        fresh.fit(first.transform(X[: part.stop]), y[: part.stop])
        want, _ = fresh.kneighbors(first.transform(X[::50]))
        distances, ids = knn.kneighbors(X[::50])
        assert (distances <= want[:, -1:]).mean() > 0.95
        assert ids.max() >= 1500
        again = pickle.loads(pickle.dumps(knn))
        np.testing.assert_array_equal(again.kneighbors(X[::50])[1], ids)
    for a, b in zip(old.kneighbors(X[::50]), before):
        np.testing.assert_array_equal(a, b)
    knn.remove(np.arange(0, 3000, 2))
    assert (knn.ids_[knn.kneighbors(X[::50])[1]] % 2 == 1).all()


def test_ids_are_never_used_again(rows):
    X, y = rows
    knn = SoftKNNClassifier(2).fit(X[:6], y[:6])
    np.testing.assert_array_equal(knn.ids_, np.arange(6))
    knn.remove([5, 1])
    np.testing.assert_array_equal(knn.ids_, [0, 2, 3, 4])
    knn.partial_fit(X[6:8], y[6:8])
    np.testing.assert_array_equal(knn.ids_, [0, 2, 3, 4, 6, 7])
    knn.remove(7).remove([]).remove(np.array([0, 0]))
    np.testing.assert_array_equal(knn.ids_, [2, 3, 4, 6])
    assert knn.ids_[knn.kneighbors(X[[6]], 1, return_distance=False)] == [[6]]
    knn.fit(X, y)
    np.testing.assert_array_equal(knn.ids_, np.arange(300))


def test_new_classes_declared_or_not(rows):
    X, y = rows
    knn = SoftKNNClassifier(5).partial_fit(X[:20], ["b"] * 20, classes=["b", "d"])
    assert list(knn.classes_) == ["b", "d"]
    np.testing.assert_array_equal(knn.predict_proba(X[:3]), [[1, 0]] * 3)
    knn.partial_fit(X[20:25], ["a"] * 5, classes=["e", "a"])
    assert list(knn.classes_) == ["a", "b", "d", "e"]
    assert knn.predict(X[20:25]).tolist() == ["a"] * 5
    proba = knn.set_params(n_neighbors=1).partial_fit(X[25:26], ["d"]).predict_proba(X)
    np.testing.assert_array_equal(proba[[0, 20, 25]].argmax(axis=1), [1, 0, 2])
    assert not proba[:, 3].any()
    knn.remove(np.arange(20, 25))
    assert list(knn.classes_) == ["a", "b", "d", "e"]
    assert not knn.predict_proba(X)[:, 0].any()


def test_the_first_call_is_a_fit(rows):
    X, y = rows
    fitted, first = SoftKNNClassifier(5).fit(X, y), SoftKNNClassifier(5)
    np.testing.assert_array_equal(
        first.partial_fit(X, y).predict_proba(X), fitted.predict_proba(X)
    )
    with pytest.raises(ValueError, match="one class only"):
        SoftKNNClassifier().partial_fit(X, np.zeros(300))
    with pytest.raises(NotFittedError):
        SoftKNNClassifier().remove(0)
    assert not hasattr(SoftKNNClassifier(), "ids_")


def test_statistics_are_those_of_the_first_rows(rows):
    X, y = rows
    knn = SoftKNNClassifier("mean", tau="scale").fit(X[:100], y[:100])
    mean, tau = knn.mean_, knn.tau_
    knn.partial_fit(X[100:] + 5, y[100:])
    assert knn.mean_ is mean and knn.tau_ == tau
    assert knn.n_neighbors_ == 100
    knn.set_params(tau=0.5, n_neighbors=3).remove([0])
    assert (knn.tau_, knn.n_neighbors_) == (0.5, 3)


def test_scale_is_learnt_when_it_is_first_asked_for(rows):
    X, y = rows
    knn = SoftKNNClassifier(7, tau=0.1, preprocessing=None).fit(X[:100], y[:100])
    knn.set_params(tau="scale").partial_fit(X[100:200], y[100:200])
    fresh = SoftKNNClassifier(7, tau="scale", preprocessing=None)
    learnt = fresh.fit(X[:200], y[:200]).tau_
    assert knn.tau_ == pytest.approx(learnt, rel=1e-12) != 0.1
    # From then on it is held, numbers in between or not.
    learnt = knn.tau_
    knn.set_params(tau=0.5).partial_fit(X[200:] * 9, y[200:]).set_params(tau="scale")
    assert knn.remove([]).tau_ == learnt


def test_scale_needs_rows(rows):
    X, y = rows
    graph = KNeighborsTransformer(n_neighbors=9, mode="distance").fit_transform(X)
    knn = SoftKNNClassifier(3, algorithm="precomputed").fit(graph, y)
    with pytest.raises(ValueError, match="tau='scale' needs rows"):
        knn.set_params(tau="scale").remove([])


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("preprocessing", ["center-l2", "l2-center", "l2", None])
def test_statistics_can_be_learnt_anew(rows, metric, preprocessing):
    X, y = rows[0].astype(np.float64) + np.repeat([0, 3], [100, 200])[:, None], rows[1]
    params = {"metric": metric, "preprocessing": preprocessing, "tau": "scale"}
    knn = SoftKNNClassifier(7, **params).fit(X[:100], y[:100], np.arange(100) // 2)
    knn.partial_fit(X[100:200], y[100:200])
    knn.partial_fit(X[200:], y[200:], refit_statistics=True)
    alone = np.append(np.arange(100) // 2, np.arange(100, 300))
    for gone in ([], [4, 7, 299]):
        knn.remove(gone, refit_statistics=True)
        left = np.setdiff1d(np.arange(300), gone)
        fresh = SoftKNNClassifier(7, **params).fit(X[left], y[left], alone[left])
        assert knn.tau_ == pytest.approx(fresh.tau_, rel=1e-12)
        if fresh.mean_ is None:
            assert knn.mean_ is None
        else:
            np.testing.assert_allclose(knn.mean_, fresh.mean_, atol=1e-12)
        for queries in (None, X[:30]):
            got, want = knn.predict_proba(queries), fresh.predict_proba(queries)
            np.testing.assert_allclose(got, want, atol=1e-9)
        np.testing.assert_array_equal(knn.ids_, left)


BAD = {
    "columns": (lambda knn, X, y: knn.partial_fit(X[:5, :4], y[:5]), "features"),
    "NaN": (lambda knn, X, y: knn.partial_fit(X[:5] * np.nan, y[:5]), "NaN"),
    "lengths": (lambda knn, X, y: knn.partial_fit(X[:5], y[:4]), "inconsistent"),
    "labels": (lambda knn, X, y: knn.partial_fit(X[:2], ["a", "b"]), "mixes words"),
    "missing": (lambda knn, X, y: knn.partial_fit(X[:2], [None, 1]), "no label"),
    "classes": (
        lambda knn, X, y: knn.partial_fit(X[:2], y[:2], classes=["a"]),
        "mixes words and numbers",
    ),
    "groups": (
        lambda knn, X, y: knn.partial_fit(X[:5], y[:5], groups=y[:4]),
        "groups has 4 entries for 5 rows",
    ),
    "unknown": (lambda knn, X, y: knn.remove([3, 300, 7]), r"ids=\[300\] are none"),
    "twice": (lambda knn, X, y: knn.remove([2]), r"ids=\[2\].*was removed"),
    "mask": (lambda knn, X, y: knn.remove(y == 1), r"ids_\[mask\]"),
    "all": (lambda knn, X, y: knn.remove(knn.ids_), "would leave none"),
    "parameter": (
        lambda knn, X, y: copy.copy(knn).set_params(n_neighbors=-3).remove([5]),
        "'n_neighbors' parameter",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_calls_that_fail_leave_all_as_it_was(case, rows):
    X, y = rows
    call, message = BAD[case]
    knn = SoftKNNClassifier(5).fit(X, y).remove([2])
    before, want = dict(vars(knn)), knn.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        call(knn, X, y)
    assert vars(knn) == before
    np.testing.assert_array_equal(knn.predict_proba(X), want)


@pytest.mark.parametrize("dtype, size", [("float32", 1e60), ("float64", 1e200)])
def test_rows_that_overflow_the_dtype_of_the_others_are_refused(dtype, size, rows):
    X, y = rows
    knn = SoftKNNClassifier(5, preprocessing=None, tau=9).fit(X.astype(dtype), y)
    want = knn.predict_proba(X)
    with pytest.raises(ValueError, match=f"too large .* {dtype}"):
        knn.partial_fit(X[:3].astype(np.float64) * size, y[:3])
    np.testing.assert_array_equal(knn.ids_, np.arange(len(X)))
    np.testing.assert_array_equal(knn.predict_proba(X), want)


@pytest.mark.parametrize("gone", [[], [0, 7]])
def test_ids_that_are_changed_by_the_caller_are_not_ours(gone, rows):
    X, y = rows
    knn = SoftKNNClassifier(5).fit(X, y).remove(gone)
    ids = knn.ids_
    ids += 1000
    np.testing.assert_array_equal(knn.ids_, np.delete(np.arange(len(X)), gone))


def test_a_call_that_stops_late_leaves_all_as_it_was(rows, monkeypatch):
    X, y = rows
    knn = SoftKNNClassifier(5).fit(X[:200], y[:200]).partial_fit(X[200:201], y[200:201])
    before, want = dict(vars(knn)), knn.predict_proba(X)
    monkeypatch.setattr("skknn.classifiers._datastore.resolve_n_neighbors", 1 / 3)
    with pytest.raises(TypeError):
        knn.partial_fit(X[201:], y[201:])  # the rows are written by then
    monkeypatch.undo()
    assert vars(knn) == before
    np.testing.assert_array_equal(knn.predict_proba(X), want)
    knn.partial_fit(X[210:], y[210:])
    mirror = Mirror(knn, X[:200], y[:200])
    mirror.add(*(np.concatenate([a[200:201], a[210:]]) for a in (X, y)))
    mirror.check(X)


def test_copies_do_not_write_into_each_others_rows(rows):
    X, y = rows
    knn = SoftKNNClassifier(5).fit(X[:200], y[:200]).partial_fit(X[200:201], y[200:201])
    other, deep = copy.copy(knn), copy.deepcopy(knn)
    knn.partial_fit(X[201:210], y[201:210])
    other.partial_fit(X[250:259], y[250:259])
    deep.partial_fit(X[280:], y[280:])
    for each, part in (
        (knn, slice(201, 210)),
        (other, slice(250, 259)),
        (deep, slice(280, 300)),
    ):
        mirror = Mirror(each, X[:200], y[:200])
        mirror.add(X[200:201], y[200:201])
        mirror.add(X[part], y[part])
        mirror.check(X)


def test_rows_stay_where_they_are_while_there_is_room(rows):
    X, y = rows
    knn = SoftKNNClassifier(5).fit(X[:200], y[:200])
    values = knn.index_.rows.rows_.values
    knn.partial_fit(X[200:220], y[200:220])
    assert np.shares_memory(knn.index_.rows.rows_.values, values)
    assert len(values) == 200


def test_pickles_hold_no_room(rows):
    X, y = rows
    grown = SoftKNNClassifier(5).fit(X[:250], y[:250]).partial_fit(X[250:], y[250:])
    whole = SoftKNNClassifier(5).fit(X, y)
    assert abs(len(pickle.dumps(grown)) - len(pickle.dumps(whole))) < 100
    grown.remove(np.arange(150))
    assert len(pickle.dumps(grown)) < 0.65 * len(pickle.dumps(whole))


def test_what_is_removed_is_in_no_pickle(rows):
    X, y = rows
    knn = SoftKNNClassifier(5, preprocessing=None).fit(X, y)
    assert X[17].tobytes() in pickle.dumps(knn)
    assert X[17].tobytes() not in pickle.dumps(knn.remove(17))


def test_groups_go_with_their_rows(rows):
    X, y = rows
    groups = np.arange(300) // 4
    knn = SoftKNNClassifier(5).fit(X[:98], y[:98], groups[:98])
    knn.partial_fit(X[98:150], y[98:150], groups=groups[98:150])  # 98, 99 join theirs
    knn.partial_fit(X[150:160], y[150:160])
    knn.remove(np.arange(0, 40, 3))
    alone = np.where(np.arange(160) < 150, groups[:160], 1000 + np.arange(160))
    kept = np.setdiff1d(np.arange(160), np.arange(0, 40, 3))
    first = Preprocessor("center-l2").fit(X[:98])
    fresh = SoftKNNClassifier(5, preprocessing=None)
    fresh.fit(first.transform(X[kept]), y[kept], alone[kept])
    for a, b in zip(knn.kneighbors(), fresh.kneighbors()):
        np.testing.assert_array_equal(a, b)
    plain = SoftKNNClassifier(5).fit(X[:98], y[:98])
    plain.partial_fit(X[98:150], y[98:150], groups=groups[98:150])
    ids = plain.kneighbors(return_distance=False)
    assert (groups[ids[98:]] != groups[98:150, None])[ids[98:] >= 98].all()
    with pytest.raises(ValueError, match="groups mixes words"):
        knn.partial_fit(X[:2], y[:2], groups=["a", "b"])


def test_a_stream_may_start_with_one_burst(rows):
    X, y = rows
    knn = SoftKNNClassifier(3)
    for burst in range(4):
        part = slice(10 * burst, 10 * burst + 10)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            knn.partial_fit(X[part], y[part], groups=[f"burst {burst}"] * 10)
        if burst == 0:
            with pytest.raises(ValueError, match="more than one group"):
                knn.predict(None)
    ids = knn.kneighbors(return_distance=False)
    assert (ids // 10 != np.arange(40)[:, None] // 10).all()


def test_graphs_have_no_place_for_more_rows(rows):
    X, y = rows
    graph = KNeighborsTransformer(n_neighbors=9, mode="distance").fit_transform(X)
    knn = SoftKNNClassifier(5, algorithm="precomputed").partial_fit(graph, y)
    with pytest.raises(ValueError, match="neither come nor go. Call fit"):
        knn.partial_fit(graph, y)
    with pytest.raises(ValueError, match="neither come nor go. Call fit"):
        knn.remove([1])


def test_the_last_row_votes_for_queries_alone(rows):
    X, y = rows
    knn = SoftKNNClassifier(5).fit(X, y)
    with pytest.warns(UserWarning, match="n_neighbors=5 is more than the 1 rows"):
        knn.remove(np.arange(299))
    assert knn.predict(X[:4]).tolist() == [y[299]] * 4
    with pytest.raises(ValueError, match="more rows"):
        knn.predict(None)


def test_rows_are_restored_to_rounding(rows):
    X, _ = rows
    X[3] = 0
    for metric in ("sqeuclidean", "cosine"):
        for preprocessing in ("center-l2", "l2-center", "l2", None):
            knn = SoftKNNClassifier(5, metric=metric, preprocessing=preprocessing)
            knn.fit(X[:200], np.arange(200) % 2)
            knn.partial_fit(X[200:], np.arange(100) % 2).remove(np.arange(50, 60))
            kept = np.delete(X, np.arange(50, 60), axis=0)
            got = knn.index_.rows.restore()
            np.testing.assert_allclose(got, kept, atol=1e-6 * np.abs(X).max())
            assert got.dtype == X.dtype


def test_no_class_declared_is_none(rows):
    knn = SoftKNNClassifier(5).partial_fit(*rows, classes=[])
    assert knn.classes_.dtype == rows[1].dtype


@pytest.mark.parametrize("classes", ["ab", 3, {1, 2}, [[1, 2]]])
def test_classes_are_a_list(rows, classes):
    for knn in (SoftKNNClassifier(5), SoftKNNClassifier(5).fit(*rows)):
        with pytest.raises(ValueError, match="classes=.* must be a list of labels"):
            knn.partial_fit(*rows, classes=classes)
