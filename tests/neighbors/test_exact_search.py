"""Every exact engine against a float64 stable sort by (distance, index)."""

import pickle
import threading

import numpy as np
import pytest
from engine_references import ENGINES, check, clustered, reference
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from skknn.datastore import NeighborIndex
from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact._candidates import QueryBlock
from skknn.neighbors.exact._numpy import NumpyProposer
from skknn.neighbors.exact._search import ExactSearch


@pytest.fixture(params=ENGINES)
def make(request):
    return ENGINES[request.param]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n, d, k", [(3000, 48, 20), (5000, 24, 128), (900, 130, 500)])
def test_queries_and_leave_one_out(make, dtype, n, d, k):
    train, queries = clustered(n, d, 0, dtype), clustered(70, d, 1, dtype)
    engine = make(train)
    check(engine, train, queries, k)
    part = np.arange(n)[-300:]
    check(engine, train, train[part], k, part)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hundreds_of_copies_across_the_k_boundary(make, dtype):
    rng = np.random.default_rng(2)
    train = rng.standard_normal((4000, 32)).astype(dtype)
    copies = rng.choice(4000, 700, replace=False)
    train[copies[:600]] = train[copies[0]]
    train[copies[600:]] = train[copies[600]]
    queries = np.vstack(
        [train[copies[[0, 5, 600, 650]]], rng.standard_normal((40, 32))]
    ).astype(dtype)
    engine = make(train)
    for k in (1, 50, 99, 100, 300, 601):
        check(engine, train, queries, k)
    check(engine, train, train[copies], 64, copies)


def test_near_duplicates_at_true_squared_distance_1e_6(make):
    rng = np.random.default_rng(3)
    train = clustered(2000, 64)
    step = rng.standard_normal((60, 64))
    step *= 1e-3 / np.linalg.norm(step, axis=1, keepdims=True)
    train[60:120] = train[:60] + step
    engine = make(train)
    own = np.arange(120)
    check(engine, train, train[:120], 5, own)
    sqdist, ids = engine.kneighbors(train[:60], 1, own[:60])
    np.testing.assert_array_equal(ids[:, 0], own[60:])
    np.testing.assert_allclose(sqdist[:, 0], 1e-6, rtol=1e-2)


@pytest.mark.parametrize("spread", [1e-4, 1e-7])
def test_points_closer_to_each_other_than_a_product_can_tell(make, spread):
    rng = np.random.default_rng(4)
    direction = rng.standard_normal(40)
    train = direction / np.linalg.norm(direction) + spread * rng.standard_normal(
        (1500, 40)
    )
    train = train.astype(np.float32)
    # A few rows far away keep the mean from removing the common part.
    train[:40] = -20 * train[:40]
    check(make(train), train, train[30:90], 25)


@pytest.mark.parametrize("offset", [1e2, 1e5, 1e7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mean_much_larger_than_the_spread(make, offset, dtype):
    rng = np.random.default_rng(5)
    train = (rng.standard_normal((1200, 20)) + offset).astype(dtype)
    check(make(train), train, train[:50], 30)


@pytest.mark.parametrize("scale", [1e-38, 1e-24, 1e-12, 1e12, 1e25])
def test_scales_at_the_ends_of_float32(make, scale):
    rng = np.random.default_rng(6)
    train = (rng.standard_normal((800, 8)) * scale).astype(np.float32)
    queries = (rng.standard_normal((20, 8)) * scale).astype(np.float32)
    check(make(train), train, queries, 5)


def test_norms_over_many_orders_of_magnitude(make):
    rng = np.random.default_rng(7)
    train = rng.standard_normal((1500, 12)) * 10.0 ** rng.uniform(-6, 6, (1500, 1))
    for dtype in (np.float32, np.float64):
        rows = train.astype(dtype)
        check(make(rows), rows, rows[:60], 9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_degenerate_sets(make, dtype):
    same = np.full((700, 3), 2.5, dtype=dtype)
    check(make(same), same, same[:9], 699, np.arange(9))
    zeros = np.zeros((500, 6), dtype=dtype)
    zeros[::7] = np.random.default_rng(8).standard_normal((72, 6))
    check(make(zeros), zeros, zeros[:60], 40, np.arange(60))
    pair = np.array([[1.0], [3.0]], dtype=dtype)
    check(make(pair), pair, pair, 1, np.arange(2))
    check(make(pair), pair, np.array([[2.0]], dtype=dtype), 2)
    line = np.random.default_rng(9).standard_normal((2000, 1)).astype(dtype)
    check(make(line), line, line[:50], 33)
    single = np.ones((1, 4), dtype=dtype)
    check(make(single), single, single, 1)


@pytest.mark.parametrize("k", [1, 2, 1198, 1199])
def test_k_up_to_all_other_rows(make, k):
    train = clustered(1200, 16)
    rows = np.arange(40)
    check(make(train), train, train[:40], k, rows)
    check(make(train), train, train[:40], k + 1)


def test_block_sizes_and_threads_change_nothing(make, monkeypatch):
    monkeypatch.setattr("skknn.neighbors.exact._search._SMALL_ROWS", 0)
    train = clustered(3000, 20)
    rows = np.arange(3000)
    whole = make(train).kneighbors(train, 15, rows)
    monkeypatch.setattr(NumpyProposer, "query_rows", 37)
    if "Device" in type(make(train)).__name__:
        monkeypatch.setattr("skknn.neighbors.exact._device._QUERIES", 37)
    for n_jobs in (1, 3):
        parts = make(train, n_jobs=n_jobs).kneighbors(train, 15, rows)
        for a, b in zip(whole, parts):
            np.testing.assert_array_equal(a, b)
    one = [make(train).kneighbors(train[i : i + 1], 15) for i in range(5)]
    many = make(train).kneighbors(train[:5], 15)
    for i in range(5):
        np.testing.assert_array_equal(one[i][0][0], many[0][i])
        np.testing.assert_array_equal(one[i][1][0], many[1][i])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 90),
    d=st.integers(1, 9),
    dtype=st.sampled_from([np.float32, np.float64]),
    engine=st.sampled_from(sorted(ENGINES)),
    levels=st.sampled_from([2, 3, 1000]),
    data=st.data(),
)
def test_any_shape(seed, n, d, dtype, engine, levels, data):
    # Integers make distances exact, so that ties are true ties.
    rng = np.random.default_rng(seed)
    train = rng.integers(0, levels, (n, d)).astype(dtype)
    k = data.draw(st.integers(1, n - 1))
    fitted = ENGINES[engine](train)
    check(fitted, train, train, k, np.arange(n))
    check(fitted, train, rng.integers(0, levels, (5, d)).astype(dtype), k)


class Nothing(NumpyProposer):
    """A proposer of which nothing is certain."""

    def propose(self, queries, part, k, n_threads):
        found = super().propose(queries, part, k, n_threads)
        found.outside[:] = np.nan
        return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rooted", [False, True])
def test_the_exhaustive_search_alone(dtype, rooted, monkeypatch):
    monkeypatch.setattr("skknn.utils._slices._BLOCK_BYTES", 1 << 15)
    rng = np.random.default_rng(11)
    train = rng.standard_normal((3000, 10)).astype(dtype)
    train[rng.integers(3000, size=900)] = train[4]
    queries = np.vstack([train[:30], rng.standard_normal((30, 10)).astype(dtype)])
    exclude = np.r_[np.arange(30), np.full(30, 4)]
    for offset in (0, 3):
        rows = IndexRows.from_array(train + dtype(offset), rooted)
        engine = ExactSearch(rows, "nothing", [Nothing])
        check(engine, train + dtype(offset), queries + dtype(offset), 40, exclude)


def test_the_exhaustive_search_finds_what_no_bound_excludes():
    train = clustered(900, 12)
    rows = IndexRows.from_array(train)
    engine = ExactSearch(rows, "nothing", [Nothing])
    queries = QueryBlock.of(rows, train[:7], None)
    want, ids = reference(train, train[:7], 30)
    for loose in (1.0, 1.5, np.inf):
        found = engine._exhaust(queries, want[:, -1] * loose)
        for row in range(7):
            there = found.ids[row, found.ceilings[row] == np.inf]
            assert set(ids[row]) <= set(there)
            assert loose == np.inf or len(there) < 900
        assert (found.outside == -np.inf).all()


def test_points_within_rounding_of_each_other_are_searched_until_certain(monkeypatch):
    rng = np.random.default_rng(4)
    train = (1 + 1e-6 * rng.normal(size=(2000, 32))).astype(np.float32)
    exhausted = []
    real = ExactSearch._exhaust

    def counted(self, queries, last):
        exhausted.append(len(queries))
        return real(self, queries, last)

    monkeypatch.setattr(ExactSearch, "_exhaust", counted)
    monkeypatch.setattr("skknn.neighbors._rows._helpful_shift", lambda X: None)
    check(ENGINES["brute"](train), train, train[:30], 10)
    assert sum(exhausted) > 0  # the first candidates were not enough


def test_a_proposer_too_rough_for_the_rows_is_given_up():
    train = clustered(2000, 16)
    rows = IndexRows.from_array(train)
    engine = ExactSearch(rows, "two", [Nothing, NumpyProposer])
    check(engine, train, train[:100], 5)
    assert engine._first == 0  # too few queries to tell
    check(engine, train, train[:300], 5)
    assert engine._first == 1
    check(engine, train, train[:300], 5)
    # The last proposer stays, whatever it leaves.
    engine = ExactSearch(rows, "one", [Nothing])
    check(engine, train, train[:300], 5)
    assert engine._first == 0


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_pickle_holds_the_rows_and_no_filter(name):
    train = clustered(2000, 40)
    engine = ENGINES[name](train)
    want = engine.kneighbors(train[:9], 5)
    dump = pickle.dumps(engine)
    assert len(dump) < 1.2 * train.nbytes
    for a, b in zip(pickle.loads(dump).kneighbors(train[:9], 5), want):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif("faiss" not in ENGINES, reason="needs faiss")
@pytest.mark.parametrize("n_queries", [3, 100])
def test_faiss_settings_of_the_process_are_restored(n_queries):
    import faiss

    before = faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()
    train = clustered(400, 10)
    ENGINES["faiss"](train, n_jobs=3).kneighbors(train[:n_queries], 5)
    after = faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()
    assert after == before


def test_searches_in_several_threads_leave_the_blas_limit_as_it_was(monkeypatch):
    monkeypatch.setattr("skknn.neighbors.exact._search._SMALL_ROWS", 0)
    train = clustered(2000, 16)
    engine = ENGINES["brute"](train, n_jobs=2)
    with threadpool_limits(2, user_api="blas"):
        before = [pool["num_threads"] for pool in threadpool_info()]
        threads = [
            threading.Thread(target=engine.kneighbors, args=(train, 10))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_fit_of_float32_rows_makes_no_float64_copy():
    import tracemalloc

    rng = np.random.default_rng(12)
    train = rng.standard_normal((400_000, 32), dtype=np.float32)
    tracemalloc.start()
    NeighborIndex(preprocessing=None).fit(train)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < train.nbytes
