"""Few queries on a device: another way to the same neighbours, bit for bit."""

import numpy as np
import pytest
from engine_references import check, clustered

from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact import _device as device
from skknn.neighbors.exact._device import DeviceSearch


def centred(n, d, dtype=np.float32):
    rows = clustered(n, d).astype(np.float64)
    rows -= rows.mean(axis=0)
    return rows.astype(dtype)


def engine_of(rows, rooted=False):
    return DeviceSearch(IndexRows.from_array(rows, rooted), "cpu")


@pytest.mark.parametrize("n_queries", [1, 8, 64])
@pytest.mark.parametrize("k", [1, 20, 100])
def test_bits_are_those_of_many_queries(n_queries, k, monkeypatch):
    rows = centred(3000, 24)
    engine = engine_of(rows)
    few = engine.kneighbors(rows[:n_queries], k)
    check(engine, rows, rows[:n_queries], k)
    monkeypatch.setattr(device, "_FEW_QUERIES", 0)
    for found, wanted in zip(few, engine.kneighbors(rows[:n_queries], k)):
        np.testing.assert_array_equal(found, wanted)


def test_rows_leave_themselves_out_also_among_copies():
    rows = centred(400, 12)
    rows[100:104] = rows[0]
    engine = engine_of(rows)
    check(engine, rows, rows[:30], 7, np.arange(30))


def test_ties_beyond_the_candidates_are_searched_again(monkeypatch):
    rows = centred(2000, 10)
    rows[300:900] = rows[5]  # more copies than candidates
    engine = engine_of(rows)
    asked = []
    search = type(engine._hold()).search

    def counted(self, queries, *args):
        asked.append(len(queries))
        return search(self, queries, *args)

    monkeypatch.setattr(type(engine._hold()), "search", counted)
    check(engine, rows, rows[:20], 9)
    assert sum(asked) > 0


def test_no_more_rows_than_neighbours():
    rows = centred(12, 6)
    check(engine_of(rows), rows, rows[:5], 12)
    check(engine_of(rows), rows, rows[:5], 11, np.arange(5))


@pytest.mark.parametrize("rows", [centred(300, 8, np.float64), centred(300, 8) + 9])
def test_rows_that_it_does_not_suit(rows):
    engine = engine_of(rows)
    assert engine._hold().half is None
    check(engine, rows, rows[:5], 6)


def test_euclidean_order_is_that_of_the_distances_returned():
    rows = centred(800, 8)
    engine = engine_of(rows, rooted=True)
    distances, ids = engine.kneighbors(rows[:9], 30)
    tied = distances[:, 1:] == distances[:, :-1]
    assert (np.diff(distances) >= 0).all()
    assert (np.diff(ids)[tied] > 0).all()
