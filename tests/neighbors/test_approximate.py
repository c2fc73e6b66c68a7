"""Approximate engines: measured recall, exact distances, the same every time."""

import pickle

import numpy as np
import pytest

from skknn import SoftKNNClassifier
from skknn.datastore import NeighborIndex
from skknn.neighbors._rows import IndexRows

pytest.importorskip("faiss")

from skknn.neighbors.approximate import TunedSearch  # noqa: E402
from skknn.neighbors.approximate import _tuned as tuned  # noqa: E402


@pytest.fixture(params=["hnsw", "ivf"])
def name(request):
    return request.param


def search(name, rows, n_jobs=None):
    return TunedSearch(IndexRows.from_array(rows), name, n_jobs)


def clustered(n, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((60, 24))
    rows = centres[rng.integers(60, size=n)] + 0.4 * rng.standard_normal((n, 24))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def exact(train, queries, k, own=None):
    d2 = ((queries[:, None].astype(float) - train[None].astype(float)) ** 2).sum(-1)
    if own is not None:
        d2[np.arange(len(queries)), own] = np.inf
    ids = np.argsort(d2, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(d2, ids, axis=1), ids


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_most_neighbours_are_found_and_their_distances_are_exact(name, dtype):
    train, queries = clustered(3000, 0, dtype), clustered(150, 1, dtype)
    engine = search(name, train)
    want, _ = exact(train, queries, 20)
    sqdist, ids = engine.kneighbors(queries, 20)
    true = ((queries[:, None].astype(float) - train[ids].astype(float)) ** 2).sum(-1)
    np.testing.assert_allclose(sqdist, true, rtol=1e-12)
    assert (np.diff(sqdist, axis=1) >= 0).all()
    recall = (sqdist <= want[:, -1:]).mean()
    assert recall > 0.97
    own = np.arange(150)
    sqdist, ids = engine.kneighbors(train[:150], 20, own)
    assert (ids != own[:, None]).all()
    assert (sqdist <= exact(train, train[:150], 20, own)[0][:, -1:]).mean() > 0.97


def test_the_recall_told_is_the_recall_there_is(name, monkeypatch):
    monkeypatch.setattr(tuned, "TARGET_RECALL", 0.0)  # least effort
    rng = np.random.default_rng(2)
    train = rng.standard_normal((4000, 24)).astype(np.float32)
    engine = search(name, train)
    least = {"hnsw": 10, "ivf": 2}[name]
    most = engine._kind.efforts(engine._index, 10)[1]
    monkeypatch.setattr(engine._kind, "efforts", lambda index, k: (least, most))
    effort, told = engine.tune(10)
    own = np.arange(4000)
    found, _ = engine.kneighbors(train[:800], 10, own[:800])
    true = (found <= exact(train, train[:800], 10, own[:800])[0][:, -1:]).mean()
    # A sample of 256 rows with 10 neighbours each.
    assert told == pytest.approx(true, abs=0.05)
    assert told < 0.99
    monkeypatch.undo()
    engine._tuned.clear()
    assert engine.tune(10)[0] > effort and engine.tune(10)[1] >= 0.99


def test_the_same_every_time_and_after_pickling(name):
    train = clustered(2500)
    first, second = (search(name, train, jobs) for jobs in (1, 2))
    third = pickle.loads(pickle.dumps(first))
    want = first.kneighbors(train, 9, np.arange(2500))
    for engine in (second, third):
        for a, b in zip(engine.kneighbors(train, 9, np.arange(2500)), want):
            np.testing.assert_array_equal(a, b)


def test_places_the_index_leaves_empty_are_filled_exactly():
    # One cell far away with three rows: probing it alone finds too few.
    train = clustered(3000)
    train[:3] = 50 + np.arange(3)[:, None]
    engine = search("ivf", train)
    sqdist, ids = engine._search(train[:3], 10, np.arange(3), effort=1)
    want, want_ids = exact(train, train[:3], 10, np.arange(3))
    np.testing.assert_array_equal(ids, want_ids)
    np.testing.assert_allclose(sqdist, want, rtol=1e-12)


@pytest.mark.parametrize("n, k", [(1, 1), (2, 1), (2, 2), (30, 29), (30, 30)])
def test_tiny_sets_are_searched_whole(name, n, k):
    train = clustered(n)
    engine = search(name, train)
    if k < n:
        _, ids = engine.kneighbors(train, k, np.arange(n))
        np.testing.assert_array_equal(ids, exact(train, train, k, np.arange(n))[1])
    _, ids = engine.kneighbors(train, k)
    np.testing.assert_array_equal(ids, exact(train, train, k)[1])


def test_copies_of_a_row_do_not_count_against_recall(name):
    train = np.repeat(clustered(200), 10, axis=0)
    index = NeighborIndex(preprocessing=None, algorithm=name).fit(train)
    assert index.recall(5) == 1.0


def test_a_classifier_tells_its_recall(name):
    train = clustered(600)
    y = np.arange(600) % 3
    knn = SoftKNNClassifier(5, algorithm=name).fit(train, y)
    assert knn.algorithm_ == name
    assert 0.99 <= knn.recall_ <= 1
    assert not hasattr(SoftKNNClassifier(5).fit(train, y), "recall_")


def test_rows_without_clusters_are_better_searched_exactly(monkeypatch):
    monkeypatch.setattr(tuned, "_LARGE", 3000)
    rows = np.random.default_rng(3).standard_normal((3000, 60)).astype(np.float32)
    with pytest.warns(UserWarning, match="algorithm='ivf'.*no clear clusters.*auto"):
        search("ivf", rows).tune(10)
