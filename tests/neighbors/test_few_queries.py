"""Few queries: threads share the rows of the index instead of the queries."""

import threading

import numpy as np
import pytest
from engine_references import ENGINES, check, clustered
from hypothesis import given
from hypothesis import strategies as st

from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact import _search as search
from skknn.neighbors.exact._numpy import NumpyProposer
from skknn.neighbors.exact._search import ExactSearch
from skknn.utils._slices import equal_parts

N_SAMPLES = 9000


@pytest.fixture(autouse=True)
def no_search_is_small(monkeypatch):
    monkeypatch.setattr(search, "_SMALL_ROWS", 0)


@pytest.fixture(params=ENGINES)
def make(request):
    return ENGINES[request.param]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_queries", [1, 2, 40])
def test_parts_of_the_index_change_nothing(make, n_queries, dtype):
    train = clustered(N_SAMPLES, 20, dtype=dtype)
    engine = make(train, n_jobs=3)
    check(engine, train, clustered(n_queries, 20, 1, dtype), 15)
    own = np.linspace(0, N_SAMPLES - 1, n_queries).astype(int)
    check(engine, train, train[own], 200, own)


def test_copies_in_one_part_and_across_parts(make):
    train = clustered(N_SAMPLES, 20)
    # More than a scan keeps, all in the first third; and some at each end.
    train[10:2400] = train[5]
    ends = np.r_[2500:2560, N_SAMPLES - 60 : N_SAMPLES]
    train[ends] = train[2500]
    own = np.array([5, 9, 1000, 2500, 2559, N_SAMPLES - 1, 4000])
    engine = make(train, n_jobs=3)
    for k in (7, 90, 130):
        check(engine, train, train[own], k, own)
        check(engine, train, train[own], k)


def test_threads_share_the_rows_until_each_has_enough_queries():
    class Watched(NumpyProposer):
        def propose(self, queries, part, k, n_threads):
            seen.add(n_threads)
            return super().propose(queries, part, k, n_threads)

    seen = set()
    train = clustered(N_SAMPLES, 20)
    engine = ExactSearch(IndexRows.from_array(train), "watched", [Watched], n_jobs=3)
    engine.kneighbors(train[: 3 * search._FEW_QUERIES - 1], 5)
    assert seen == {3}
    seen.clear()
    engine.kneighbors(train[: 3 * search._FEW_QUERIES], 5)
    assert seen == {1}


def test_small_searches_take_one_thread(make, monkeypatch):
    train = clustered(N_SAMPLES, 20)
    several = make(train, n_jobs=3).kneighbors(train[:40], 15)
    monkeypatch.undo()
    started = []
    start = threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (started.append(self), start(self))
    )
    one = make(train, n_jobs=3).kneighbors(train[:40], 15)
    assert not started
    for found, expected in zip(one, several):
        np.testing.assert_array_equal(found, expected)


def test_products_are_made_in_several_threads():
    seen, meet = set(), threading.Barrier(3, timeout=30)

    class Meeting(NumpyProposer):
        def scores(self, low, part):
            meet.wait()
            seen.add(threading.get_ident())
            return super().scores(low, part)

    train = clustered(N_SAMPLES, 20)
    engine = ExactSearch(IndexRows.from_array(train), "meeting", [Meeting], n_jobs=3)
    check(engine, train, train[:10], 5)
    assert len(seen) == 3


@given(
    n=st.integers(1, 3000),
    count=st.integers(1, 40),
    least=st.integers(1, 3000),
)
def test_equal_parts(n, count, least):
    parts = equal_parts(n, count, least)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    sizes = [part.stop - part.start for part in parts]
    assert len(parts) <= count
    assert len(set(sizes[:-1])) <= 1
    assert len(parts) == 1 or all(size >= least for size in sizes[:-1])


@given(st.integers(1, 9), st.integers(2, 2600), st.integers(1, 20), st.booleans())
def test_products_in_tiles(n_queries, n_rows, n_features, double):
    dtype = np.float64 if double else np.float32
    rng = np.random.default_rng(n_rows)
    # Whole numbers: exact in any order.
    queries = rng.integers(-9, 9, (n_queries, n_features)).astype(dtype)
    rows = IndexRows.from_array(rng.integers(-9, 9, (n_rows, n_features)).astype(dtype))
    proposer, part = NumpyProposer(rows), slice(n_rows // 3, n_rows)
    got = proposer.scores(queries, part)
    assert got.dtype == dtype
    want = np.einsum("ij,kj->ik", queries, proposer.low[part]) - proposer.half[part]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-3)
