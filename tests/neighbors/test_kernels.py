"""Compiled loops: the scan of scores, and distances by differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from skknn.neighbors.exact import _kernels as kernels  # noqa: E402
from skknn.neighbors.exact._distances import measure  # noqa: E402


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 7, 8, 9, 64, 129, 384, 1031])
def test_distances_agree_with_numpy_and_never_change(n_features, dtype, monkeypatch):
    rng = np.random.default_rng(n_features)
    rows = rng.normal(size=(150, n_features)).astype(dtype)
    queries = rng.normal(size=(9, n_features)).astype(dtype)
    ids = rng.integers(0, 150, (9, 31)).astype(np.int32)
    ids[:5].sort(axis=1)  # the others are in no order
    wanted = rng.random(ids.shape) < 0.6
    found = []
    for tile_bytes in (1, 1 << 14, 1 << 30):
        monkeypatch.setattr(kernels, "_TILE_BYTES", tile_bytes)
        found.append(kernels.compiled_measure(queries, rows, ids, wanted))
        np.testing.assert_array_equal(found[0], found[-1])
    want = measure(queries, rows, ids, wanted)
    assert np.isinf(want[~wanted]).all()
    np.testing.assert_allclose(found[0], want, rtol=1e-13)
    every = np.ones_like(wanted)
    alone = kernels.compiled_measure(queries, rows, ids, every)
    np.testing.assert_array_equal(alone[wanted], found[0][wanted])
    for j in range(31):  # one pair at a time, of strided and of shifted memory
        pair = kernels.compiled_measure(
            queries[3:4], rows, ids[3:4, j : j + 1], every[:1, :1]
        )
        assert pair[0, 0] == alone[3, j]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.integers(1, 70))
def test_at_least_k_and_hardly_more_values_reach_nearly_the_best(data, n):
    numbers = st.sampled_from([-1.0, 0.0, 0.5, 2.0]) | st.floats(-1e6, 1e6, width=32)
    values = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)), np.float32)
    k = data.draw(st.integers(1, n))
    least = kernels.nearly_best(values, values.min(), k)
    kth = np.sort(values)[::-1][k - 1]
    assert (values >= least).sum() >= k
    assert least <= kth
    spread = values.max() - values.min()
    hardly = (values >= least).sum() <= k + k // 8
    assert hardly or kth - least <= spread / 1e4 + 1e-6 * abs(kth) + 1e-29


def buffer_of(n_rows, capacity):
    return (
        np.empty((n_rows, capacity), dtype=np.float32),
        np.empty((n_rows, capacity), dtype=np.int32),
        np.zeros(n_rows, dtype=np.int64),
        np.zeros(n_rows, dtype=np.int64),
        np.full(n_rows, -3e38, dtype=np.float32),
    )


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.5])
def test_a_scan_keeps_all_that_may_be_among_the_best(bfloat16, tolerance):
    rng = np.random.default_rng(4)
    n_rows, n_columns, k = 7, 5000, 9
    half = rng.random(n_columns, dtype=np.float32)
    products = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    products[2] = products[2, 0]  # nothing but ties
    unit = 0.0
    if bfloat16:
        products = (products.view(np.int32) >> 16).astype(np.int16)
        values = (products.astype(np.int32) << 16).view(np.float32)
        half, unit = None, 2.0**-8
    else:
        values = products - half
    buffer = buffer_of(n_rows, 2000)
    slack = np.full(n_rows, tolerance)
    for start in (0, 100, 1700, 4444):  # tiles of odd widths
        stop = {0: 100, 100: 1700, 1700: 4444, 4444: n_columns}[start]
        part = None if half is None else half[start:stop]
        tile = np.ascontiguousarray(products[:, start:stop])
        kernels.scan(tile, part, start, slack, unit, k, buffer)
    kept, ids, counts, _, thresholds = buffer
    for row in range(n_rows):
        kth = float(np.sort(values[row])[-k])
        must = np.flatnonzero(values[row] >= kth - 2 * unit * abs(kth) - tolerance)
        if counts[row] < 0:
            # More than there is room for, which is told.
            assert len(must) > 1400
            continue
        there = ids[row, : counts[row]]
        assert len(set(there)) == len(there)
        assert set(must) <= set(there)
        np.testing.assert_array_equal(kept[row, : counts[row]], values[row, there])
        outside = np.setdiff1d(np.arange(n_columns), there)
        assert (values[row, outside] < thresholds[row]).all()
    assert (counts >= 0).sum() >= 4
    if tolerance < 0.5:
        assert counts[0] < 200  # and not much more


def test_a_full_buffer_is_told_with_what_it_holds():
    buffer = buffer_of(3, 1000)
    products = np.zeros((3, 4096), dtype=np.float32)
    products[1] = np.linspace(0, 1, 4096, dtype=np.float32)
    half = np.zeros(4096, dtype=np.float32)
    kernels.scan(products, half, 0, np.zeros(3), 0.0, 5, buffer)
    counts = buffer[2]
    assert counts[0] < -1 and counts[2] < -1 and counts[1] >= 5
    np.testing.assert_array_equal(buffer[1][0, : -1 - counts[0]] < 4096, True)
