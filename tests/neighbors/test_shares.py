"""Few queries: threads share the base instead of the queries."""

import importlib.util
import threading

import numpy as np
import pytest
from engine_references import ENGINES, check, clustered
from hypothesis import given
from hypothesis import strategies as st

from skknn.neighbors import _certified as certified
from skknn.neighbors._brute import BruteEngine
from skknn.neighbors._certified import equal_parts
from skknn.neighbors._products import tile_products

N_SAMPLES = 9000


@pytest.fixture(params=ENGINES)
def make(request):
    return ENGINES[request.param]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_queries", [1, 2, 40])
def test_parts_of_the_base_change_nothing(make, n_queries, dtype):
    train = clustered(N_SAMPLES, 20, dtype=dtype)
    engine = make(n_jobs=3).fit(train)
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
    engine = make(n_jobs=3).fit(train)
    for k in (7, 90, 130):
        check(engine, train, train[own], k, own)
        check(engine, train, train[own], k)


def test_threads_share_the_base_until_each_has_enough_queries():
    class Watched(BruteEngine):
        def _propose(self, *args):
            seen.add(args[-1].n_threads)
            return super()._propose(*args)

    seen = set()
    train = clustered(N_SAMPLES, 20)
    engine = Watched(n_jobs=3).fit(train)
    engine.kneighbors(train[: 3 * certified._FEW_ROWS - 1], 5)
    assert seen == {3}
    seen.clear()
    engine.kneighbors(train[: 3 * certified._FEW_ROWS], 5)
    assert seen == {1}


def test_products_are_made_in_several_threads(monkeypatch):
    seen, meet = set(), threading.Barrier(3, timeout=30)

    def products(queries, rows):
        meet.wait()
        seen.add(threading.get_ident())
        return tile_products(queries, rows)

    monkeypatch.setattr("skknn.neighbors._brute.tile_products", products)
    train = clustered(N_SAMPLES, 20)
    check(BruteEngine(n_jobs=3).fit(train), train, train[:10], 5)
    assert len(seen) == 3


@given(
    n=st.integers(1, 3000),
    count=st.integers(1, 40),
    least=st.integers(1, 3000),
    step=st.integers(1, 100),
)
def test_equal_parts(n, count, least, step):
    parts = equal_parts(n, count, least, step)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    sizes = [part.stop - part.start for part in parts]
    assert len(parts) <= count
    assert all(size % step == 0 for size in sizes[:-1])
    assert len(parts) == 1 or all(size >= least for size in sizes[:-1])


@given(st.integers(1, 9), st.integers(1, 2600), st.integers(1, 20), st.booleans())
def test_products_in_tiles(n_queries, n_rows, n_features, double):
    dtype = np.float64 if double else np.float32
    rng = np.random.default_rng(n_rows)
    # Whole numbers: exact in any order.
    queries = rng.integers(-9, 9, (n_queries, n_features)).astype(dtype)
    rows = rng.integers(-9, 9, (n_rows, n_features)).astype(dtype)
    got = tile_products(queries, rows)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.einsum("ij,kj->ik", queries, rows))


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="needs numba")
def test_joined_reservoirs():
    from skknn.neighbors._fast_kernels import join

    rng = np.random.default_rng(0)
    n_rows, capacity = 6, 10
    counts = rng.integers(0, capacity, (3, n_rows))
    counts[1, 2] = -1
    values = rng.standard_normal((3, n_rows, capacity)).astype(np.float32)
    ids = rng.integers(0, 100, (3, n_rows, capacity)).astype(np.int32)
    floors = rng.standard_normal((3, n_rows)).astype(np.float32) - 1
    got_values, got_ids, got_counts, got_floors = join(
        [(values[p], ids[p], counts[p], floors[p]) for p in range(3)]
    )
    for row in range(n_rows):
        floor = max(floors[:, row])
        assert got_floors[row] == floor
        if min(counts[:, row]) < 0:
            assert got_counts[row] == -1
            continue
        want = [
            (values[p, row, j], ids[p, row, j])
            for p in range(3)
            for j in range(counts[p, row])
            if values[p, row, j] >= floor
        ]
        got = list(zip(got_values[row], got_ids[row]))[: got_counts[row]]
        assert got == want
