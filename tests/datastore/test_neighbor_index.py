import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import distance, prepare, sorted_neighbors
from sklearn.neighbors import NearestNeighbors

from skknn.datastore import NeighborIndex, _index
from skknn.neighbors.exact import _search as search
from skknn.neighbors.exact._distances import measure, sort_neighbors
from skknn.neighbors.exact._numpy import NumpyProposer

METRICS = ["sqeuclidean", "euclidean", "cosine"]


def float64_order(train, queries, exclude=None):
    """Ids by a float64 stable sort of (distance, index), all of them."""
    train, queries = train.astype(np.float64), queries.astype(np.float64)
    out = []
    for i, q in enumerate(queries):
        d2 = ((train - q) ** 2).sum(axis=1)
        if exclude is not None:
            d2[exclude[i]] = np.inf
        out.append(np.argsort(d2, kind="stable"))
    return np.array(out)


@pytest.mark.parametrize("preprocessing", ["center-l2", "l2-center", "l2", None])
@pytest.mark.parametrize("metric", METRICS)
def test_distances_and_ids_equal_plain_loops(metric, preprocessing):
    rng = np.random.default_rng(0)
    train, queries = rng.normal(1, 1, (60, 5)), rng.normal(1, 1, (9, 5))
    index = NeighborIndex(metric=metric, preprocessing=preprocessing).fit(train)
    distances, ids = index.kneighbors(queries, 7)
    ref_train, ref_queries = prepare(train, queries, preprocessing)
    for row, q in enumerate(ref_queries):
        want = sorted_neighbors(ref_train, q, 7, metric)
        np.testing.assert_array_equal(ids[row], [i for _, i in want])
        np.testing.assert_allclose(distances[row], [d for d, _ in want], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ids_equal_a_stable_float64_sort_with_planted_duplicates(dtype):
    rng = np.random.default_rng(1)
    train = rng.normal(size=(3000, 24)).astype(dtype)
    train[500:600] = train[7]
    train[2000:2400] = train[1000:1400]
    queries = np.vstack([train[[7, 1100, 2]], rng.normal(size=(40, 24)).astype(dtype)])
    index = NeighborIndex(preprocessing=None).fit(train)
    _, ids = index.kneighbors(queries, 50)
    np.testing.assert_array_equal(ids, float64_order(train, queries)[:, :50])
    _, ids = index.leave_one_out(50)
    want = float64_order(train, train, exclude=np.arange(3000))
    np.testing.assert_array_equal(ids, want[:, :50])


def test_near_duplicates_keep_their_digits_in_float32():
    rng = np.random.default_rng(2)
    train = rng.normal(size=(300, 64)).astype(np.float32)
    train /= np.linalg.norm(train, axis=1, keepdims=True)
    step = rng.normal(size=(300, 64))
    step *= 1e-3 / np.linalg.norm(step, axis=1, keepdims=True)
    queries = (train + step).astype(np.float32)
    index = NeighborIndex(preprocessing=None).fit(train)
    got, ids = index.kneighbors(queries, 1)
    np.testing.assert_array_equal(ids[:, 0], np.arange(300))
    want = [
        distance(a.astype(float), b.astype(float), "sqeuclidean")
        for a, b in zip(train, queries)
    ]
    np.testing.assert_allclose(got[:, 0], want, rtol=1e-6)


@pytest.mark.parametrize("offset", [0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_common_offset_does_not_spoil_the_order(offset, dtype):
    rng = np.random.default_rng(3)
    train = (rng.normal(size=(400, 10)) + offset).astype(dtype)
    index = NeighborIndex(preprocessing=None).fit(train)
    _, ids = index.kneighbors(train[:50], 20)
    np.testing.assert_array_equal(ids, float64_order(train, train[:50])[:, :20])


@pytest.mark.parametrize("width", [1 << 12, 1 << 16])
def test_blocks_do_not_change_the_result(monkeypatch, width):
    rng = np.random.default_rng(5)
    train = rng.normal(size=(2500, 6)).astype(np.float32)
    whole = NeighborIndex(preprocessing=None).fit(train).leave_one_out(9)
    monkeypatch.setattr(search, "_THREAD_BYTES", width)
    monkeypatch.setattr(search, "_SMALL_ROWS", 0)
    monkeypatch.setattr(NumpyProposer, "query_rows", 37)
    parts = NeighborIndex(preprocessing=None, n_jobs=2).fit(train).leave_one_out(9)
    for a, b in zip(whole, parts):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 40),
    d=st.integers(1, 6),
    data=st.data(),
    metric=st.sampled_from(METRICS),
)
def test_small_integer_rows_full_of_ties(seed, n, d, data, metric):
    # Integer rows make distances exact, so ties are real ties.
    rng = np.random.default_rng(seed)
    train = rng.integers(0, 3, (n, d)).astype(np.float64)
    k = data.draw(st.integers(1, n - 1))
    index = NeighborIndex(preprocessing=None, metric="sqeuclidean").fit(train)
    _, ids = index.leave_one_out(k)
    want = float64_order(train, train, exclude=np.arange(n))[:, :k]
    np.testing.assert_array_equal(ids, want)
    if metric != "cosine":
        index = NeighborIndex(preprocessing=None, metric=metric).fit(train)
        distances, ids = index.kneighbors(train, n)
        np.testing.assert_array_equal(ids, float64_order(train, train))
    else:
        index = NeighborIndex(preprocessing=None, metric=metric).fit(train)
        distances, _ = index.kneighbors(train, n)
        for row, q in enumerate(train):
            want = [d for d, _ in sorted_neighbors(train, q, n, "cosine")]
            np.testing.assert_allclose(distances[row], want, atol=1e-14)


def test_zero_rows_have_cosine_distance_one_and_ties_go_to_lower_rows():
    train = np.array([[1.0, 0], [0, 0], [0, 1], [0, 0], [1, 1]])
    index = NeighborIndex(preprocessing=None, metric="cosine").fit(train)
    distances, ids = index.kneighbors(np.array([[0.0, 0.0], [2.0, 0.0]]), 5)
    np.testing.assert_array_equal(ids[0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(distances[0], np.ones(5))
    np.testing.assert_array_equal(ids[1][:2], [0, 4])
    np.testing.assert_allclose(distances[1], [0, 1 - 0.5**0.5, 1, 1, 1], atol=1e-15)
    distances, ids = index.leave_one_out(4)
    np.testing.assert_array_equal(ids[1], [0, 2, 3, 4])
    np.testing.assert_array_equal(distances[1], np.ones(4))


def test_leaving_one_out_drops_the_row_itself_and_not_its_copies():
    row = np.arange(4.0)
    train = np.vstack([row] * 8 + [row + 5] * 2)
    _, ids = NeighborIndex(preprocessing=None).fit(train).leave_one_out(7)
    for i in range(8):
        np.testing.assert_array_equal(ids[i], [j for j in range(8) if j != i])


def test_an_object_as_algorithm_gives_the_same_neighbours():
    rng = np.random.default_rng(6)
    train, queries = rng.normal(size=(200, 4)), rng.normal(size=(20, 4))
    own = NearestNeighbors(algorithm="ball_tree")
    index = NeighborIndex(algorithm=own).fit(train)
    assert not hasattr(own, "n_samples_fit_")  # the user's object is not fitted
    exact = NeighborIndex().fit(train)
    for a, b in zip(index.kneighbors(queries, 9), exact.kneighbors(queries, 9)):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(index.leave_one_out(9), exact.leave_one_out(9)):
        np.testing.assert_array_equal(a, b)


def test_an_object_that_returns_nonsense_is_named():
    class Nonsense:
        def fit(self, X):
            return self

        def kneighbors(self, X, n_neighbors):
            ids = np.full((len(X), n_neighbors), 999)
            return ids.astype(float), ids

    index = NeighborIndex(algorithm=Nonsense()).fit(np.eye(3))
    with pytest.raises(ValueError, match=r"Nonsense.*row numbers.*algorithm='brute'"):
        index.kneighbors(np.eye(3), 2)


def test_overflowing_distances_are_an_error_with_a_remedy():
    train = np.array([[1e200], [-1e200]])
    index = NeighborIndex(preprocessing=None).fit(train)
    with pytest.raises(ValueError, match="overflow float64. Scale X"):
        index.kneighbors(train, 2)


def test_distances_by_differences_and_their_order():
    rng = np.random.default_rng(7)
    X, Q = rng.normal(size=(50, 300)), rng.normal(size=(5, 300))
    ids = rng.integers(0, 50, (5, 40))
    wanted = rng.random((5, 40)) < 0.7
    got = measure(Q, X, ids, wanted)
    want = [[distance(X[i], q, "sqeuclidean") for i in row] for q, row in zip(Q, ids)]
    np.testing.assert_allclose(got[wanted], np.array(want)[wanted], rtol=1e-13)
    assert np.isinf(got[~wanted]).all()
    distances = np.array([[1.0, 0.0, 1.0, 1.0]])
    d2, order = sort_neighbors(distances, np.array([[9, 4, 2, 7]]), 2)
    np.testing.assert_array_equal(order, [[4, 2]])
    np.testing.assert_array_equal(d2, [[0.0, 1.0]])


@pytest.mark.parametrize("algorithm", ["brute", "torch", "fast", "faiss", "hnsw"])
def test_equal_euclidean_distances_are_sorted_by_row(algorithm):
    # A square root merges neighbouring numbers: rows of different squared distances
    # may be equally far, and then the first ones come first, at the k boundary too.
    rng = np.random.default_rng(8)
    train = np.repeat(rng.normal(size=(40, 3)), 60, axis=0)
    train *= 1 + 2.0**-52 * rng.integers(-3, 4, train.shape)
    args = {"preprocessing": None, "metric": "euclidean", "algorithm": algorithm}
    try:
        index = NeighborIndex(**args, device="cpu").fit(train)
    except ImportError:
        pytest.skip(f"{algorithm} is not installed")
    queries = rng.normal(size=(50, 3))
    k = 25
    distances, ids = index.kneighbors(queries, k)
    tied = distances[:, 1:] == distances[:, :-1]
    assert tied.mean() > 0.5
    assert (np.diff(ids, axis=1)[tied] > 0).all()
    if algorithm == "brute":
        for row, query in enumerate(queries):
            d = np.sqrt(((train - query) ** 2).sum(axis=1))
            want = np.argsort(d, kind="stable")[:k]
            np.testing.assert_allclose(distances[row], d[want], rtol=1e-14)
            # One of those just outside may be as far as the last one.
            outside = np.setdiff1d(np.arange(len(train)), ids[row])
            assert not (d[outside] < distances[row, -1] * (1 - 1e-14)).any()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_underflowing_distances_are_an_error_with_a_remedy(metric):
    train = 1e-170 * np.random.default_rng(9).normal(size=(20, 3))
    with pytest.raises(ValueError, match="underflow float64: the largest.*Scale X"):
        NeighborIndex(preprocessing=None, metric=metric).fit(train)
    # Prepared rows, zeros and copies of one row are fine.
    index = NeighborIndex().fit(train)
    assert (index.leave_one_out(3)[0] > 1e-6).all()
    for rows in (np.zeros((4, 2)), np.full((4, 2), 5.0)):
        distances, ids = NeighborIndex(preprocessing=None).fit(rows).leave_one_out(2)
        np.testing.assert_array_equal(distances, 0)
        np.testing.assert_array_equal(ids, [[1, 2], [0, 2], [0, 1], [0, 1]])


def test_queries_are_prepared_block_by_block(monkeypatch):
    rng = np.random.default_rng(10)
    train, queries = rng.normal(size=(60, 8)), rng.normal(size=(100, 8))
    index = NeighborIndex(metric="cosine").fit(train)
    want = index.kneighbors(queries, 7)
    monkeypatch.setattr(_index, "_QUERY_BYTES", 8 * 8 * 33)
    for a, b in zip(index.kneighbors(queries, 7), want):
        np.testing.assert_array_equal(a, b)


def test_prepared_queries_take_little_memory():
    import tracemalloc

    queries = np.random.default_rng(11).standard_normal((600_000, 32), np.float32)
    index = NeighborIndex(n_jobs=1).fit(queries[:50])
    tracemalloc.start()
    index.kneighbors(queries, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Results are 16 bytes a query; a copy of all queries would be 77 MB.
    assert peak - 16 * len(queries) < 0.8 * queries.nbytes
