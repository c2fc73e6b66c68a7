"""Exact search on a CUDA device."""

import pickle

import numpy as np
import pytest
import torch
from engine_references import check, clustered

from skknn.datastore import NeighborIndex
from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact import _device as device
from skknn.neighbors.exact._device import DeviceSearch

pytestmark = pytest.mark.gpu


def search(rows, rooted=False):
    return DeviceSearch(IndexRows.from_array(rows, rooted), "cuda")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rooted", [False, True])
@pytest.mark.parametrize("n, d, k", [(20_000, 64, 50), (3000, 384, 128), (90, 7, 89)])
def test_queries_and_leave_one_out(dtype, rooted, n, d, k):
    train, queries = clustered(n, d, dtype=dtype), clustered(40, d, 1, dtype)
    engine = search(train, rooted)
    check(engine, train, queries, k)
    own = np.arange(min(n, 500))
    check(engine, train, train[: len(own)], k, own)
    got = engine.leave_one_out(k, slice(0, len(own)))
    for a, b in zip(got, engine.kneighbors(train[: len(own)], k, own)):
        np.testing.assert_array_equal(a, b)


def test_copies_across_the_k_boundary():
    train = clustered(30_000, 32)
    train[100:400] = train[99]
    train[1000:4000] = train[999]
    engine = search(train)
    own = np.r_[90:140, 990:1040]
    for k in (1, 50, 301):
        check(engine, train, train[own], k, own)
        check(engine, train, train[own], k)


@pytest.mark.parametrize("spread", [1e-4, 1e-7])
def test_rows_closer_to_each_other_than_bfloat16_can_tell(spread):
    rng = np.random.default_rng(4)
    train = (1 + spread * rng.standard_normal((3000, 40))).astype(np.float32)
    train[:40] *= -20  # keeps the mean from removing the common part
    check(search(train), train, train[30:90], 25)


@pytest.mark.parametrize("scale", [1e-38, 1e-12, 1e12, 1e18])
def test_scales_at_the_ends_of_float32(scale):
    rng = np.random.default_rng(6)
    train = (rng.standard_normal((3000, 8)) * scale).astype(np.float32)
    check(search(train), train, train[:20] * 3, 5)


def test_batches_slices_and_neighbours_of_a_query_change_no_bit(monkeypatch):
    train = clustered(30_000, 384)
    engine = search(train)
    want = engine.kneighbors(train[:2500], 50)
    for start, size in ((0, 1), (7, 8), (64, 64), (3, 300)):
        got = engine.kneighbors(train[start : start + size], 50)
        for a, b in zip(got, want):
            np.testing.assert_array_equal(a, b[start : start + size])
    monkeypatch.setattr(device, "_QUERIES", 100)
    monkeypatch.setattr(device, "_DIFFERENCE_BYTES", 1 << 20)
    for a, b in zip(engine.kneighbors(train[:2500], 50), want):
        np.testing.assert_array_equal(a, b)


def test_tf32_changes_nothing():
    train = clustered(5000, 100)
    engine, before = search(train), torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = True
        check(engine, train, train[:100], 20)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def test_out_of_memory_makes_smaller_blocks(monkeypatch):
    train = clustered(200_000, 16)
    engine = search(train)
    want = engine.kneighbors(train[:1000], 20)
    # Blocks of 1.6 GB of scores in what a tenth of that leaves.
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    limit = torch.cuda.memory_reserved() + 300_000_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 50, total))
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        got = engine.kneighbors(train[:1000], 20)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for a, b in zip(got, want):
        np.testing.assert_array_equal(a, b)


def test_memory_is_given_back():
    train = clustered(50_000, 64)
    engine = search(train)
    engine.kneighbors(train[:2000], 20)
    before = torch.cuda.memory_allocated()
    for _ in range(3):
        engine.kneighbors(train[:2000], 20)
    assert torch.cuda.memory_allocated() == before


def test_a_pickle_moves_to_the_host_and_back():
    train = clustered(2000, 20)
    engine = search(train)
    engine.kneighbors(train[:3], 5)
    dump = pickle.dumps(engine)
    assert len(dump) < 1.3 * train.nbytes
    check(pickle.loads(dump), train, train[:50], 5)


def test_the_index_takes_the_device():
    train = clustered(3000, 20)
    index = NeighborIndex(algorithm="torch", device="cuda").fit(train)
    assert isinstance(index.engine_, DeviceSearch)
    want = NeighborIndex(algorithm="brute").fit(train)
    for a, b in zip(index.leave_one_out(9), want.leave_one_out(9)):
        np.testing.assert_allclose(a, b, rtol=1e-12)
