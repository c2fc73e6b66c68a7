"""The search on a device: run on the CPU, where its steps are the same."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from engine_references import ENGINES, check, clustered

from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact import _device as device
from skknn.neighbors.exact._device import DeviceSearch


@pytest.fixture(autouse=True)
def as_for_many_queries(monkeypatch):
    monkeypatch.setattr(device, "_FEW_QUERIES", 0)


def search(rows, rooted=False):
    return DeviceSearch(IndexRows.from_array(rows, rooted), "cpu")


def test_leave_one_out_takes_the_rows_on_the_device(monkeypatch):
    train = clustered(900, 20)
    engine = search(train)
    want = engine.kneighbors(train[200:500], 9, np.arange(200, 500))
    held = engine._hold()
    monkeypatch.setattr(device, "to_device", None)  # nothing is uploaded
    for a, b in zip(engine.leave_one_out(9, slice(200, 500)), want):
        np.testing.assert_array_equal(a, b)
    assert engine._hold() is held


def test_uncertain_queries_get_more_candidates_and_then_all_rows(monkeypatch):
    train = clustered(6000, 16)
    train[50:250] = train[7]  # more copies than the first candidates
    train[1000:4000] = train[8]  # and than the second
    engine = search(train)
    asked = []
    settle = type(engine._hold())._settle

    def counted(self, queries, own, k, n_candidates):
        asked.append((len(queries), n_candidates))
        return settle(self, queries, own, k, n_candidates)

    monkeypatch.setattr(type(engine._hold()), "_settle", counted)
    check(engine, train, train[:20], 12, np.arange(20))
    assert [n for _, n in asked] == [90, 720, 6000]
    assert 20 == asked[0][0] > asked[1][0] > asked[2][0] > 0


def test_a_device_that_runs_out_of_memory_gets_smaller_blocks(monkeypatch):
    train = clustered(500, 16)
    engine = search(train)
    sizes = []
    settle = type(engine._hold())._settle

    def small(self, queries, *args):
        if len(queries) > 30:
            raise torch.OutOfMemoryError("no room")
        sizes.append(len(queries))
        return settle(self, queries, *args)

    monkeypatch.setattr(type(engine._hold()), "_settle", small)
    check(engine, train, train[:100], 7, np.arange(100))
    assert 15 < max(sizes) <= 30

    def broken(self, queries, *args):
        raise RuntimeError("another fault")

    monkeypatch.setattr(type(engine._hold()), "_settle", broken)
    with pytest.raises(RuntimeError, match="another fault"):
        engine.kneighbors(train[:3], 7)


def test_an_index_from_a_machine_with_another_device_works_here():
    train = clustered(300, 10)
    engine = DeviceSearch(IndexRows.from_array(train), "cuda:77")  # as if made there
    engine = pickle.loads(pickle.dumps(engine))
    check(engine, train, train[:9], 5)


def test_neither_blocks_nor_slices_change_a_bit(monkeypatch):
    train = clustered(2000, 50)
    engine = search(train)
    want = engine.kneighbors(train[:300], 20)
    for size, n_bytes in ((1, 1 << 26), (300, 1 << 14), (37, 1 << 16)):
        monkeypatch.setattr(device, "_QUERIES", size)
        monkeypatch.setattr(device, "_DIFFERENCE_BYTES", n_bytes)
        for a, b in zip(engine.kneighbors(train[:300], 20), want):
            np.testing.assert_array_equal(a, b)


def test_more_columns_than_are_added_in_one_go(monkeypatch):
    monkeypatch.setattr(device, "_COLUMNS", 32)
    train = clustered(600, 70)
    check(search(train), train, train[:20], 9)


def test_rows_that_may_not_be_written_to_are_copied_without_a_warning():
    train = clustered(300, 10)
    train.flags.writeable = False
    check(search(train), train, train[:5], 4)


@pytest.mark.parametrize("rooted", [False, True])
def test_it_agrees_with_the_search_on_the_host(rooted):
    train, queries = clustered(3000, 40), clustered(100, 40, 1)
    engine = search(train, rooted)
    want = ENGINES["brute"](train, rooted=rooted).kneighbors(queries, 30)
    for a, b in zip(engine.kneighbors(queries, 30), want):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_threads_that_come_first_together_hold_the_rows_once(monkeypatch):
    engine, made = search(clustered(300, 16)), []
    make = device._HeldRows

    def slowly(*args):
        made.append(args)
        time.sleep(0.05)
        return make(*args)

    monkeypatch.setattr(device, "_HeldRows", slowly)
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda _: engine._hold(), range(4)))
    assert len(made) == 1 and all(each is held[0] for each in held)


def test_an_index_from_a_card_is_searched_by_the_cpu_of_a_mac(monkeypatch):
    """Apple's devices have no float64."""
    train = clustered(300, 16)
    engine = pickle.loads(pickle.dumps(DeviceSearch(search(train).rows, "cuda:7")))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(device.device_or_best("cuda:7")) == "mps" or torch.cuda.is_available()
    check(engine, train, train[:20], 5)
