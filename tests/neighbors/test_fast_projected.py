"""Rows in fewer columns, and the compiled loops that scan them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from skknn.neighbors import _fast_levels as fast_levels  # noqa: E402
from skknn.neighbors._brute import BruteEngine  # noqa: E402
from skknn.neighbors._fast import FastEngine  # noqa: E402
from skknn.neighbors._fast_kernels import select  # noqa: E402
from skknn.neighbors._fast_levels import Levels  # noqa: E402
from skknn.neighbors._fast_projected import ProjectedRows, fewer_columns  # noqa: E402
from skknn.neighbors._fast_rows import Float32Rows  # noqa: E402
from skknn.neighbors._fast_scan import first_floors, scan  # noqa: E402


def embeddings(n, d, seed=0, dtype=np.float32):
    """Unit rows around 30 centres, most of the variance in few directions."""
    shared, rng = np.random.default_rng(0), np.random.default_rng([1, seed])
    centres = shared.standard_normal((30, d))
    turn = np.linalg.qr(shared.standard_normal((d, d)))[0]
    rows = centres[rng.integers(30, size=n)] + rng.standard_normal((n, d))
    rows = (rows * np.arange(1, d + 1) ** -0.5) @ turn
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def by_differences(train, queries, k, exclude=None):
    ids = np.empty((len(queries), k), dtype=np.intp)
    for row, query in enumerate(queries.astype(np.float64)):
        sqdist = ((train.astype(np.float64) - query) ** 2).sum(axis=1)
        if exclude is not None:
            sqdist[exclude[row]] = np.inf
        ids[row] = np.argsort(sqdist, kind="stable")[:k]
    return ids


def only_float32(monkeypatch):
    """A processor that is fastest in float32."""
    seconds = {"float32": 2e-10, "bfloat16": 1.0, "int8": 1.0}
    monkeypatch.setattr(fast_levels, "product_seconds", lambda: seconds)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_no_score_is_above_its_ceiling(dtype, size, mean):
    rng = np.random.default_rng(3)
    base = (size * (rng.standard_normal((400, 50)) + mean)).astype(dtype)
    base[:20] *= 1e-3
    queries = np.vstack([base[:30], base[:3] * 50, np.zeros((1, 50))]).astype(dtype)
    engine = BruteEngine().fit(base)
    shifted, squares = engine._shifted(queries)
    for n_axes in (1, 20, 49, 50):
        axes = np.linalg.qr(rng.standard_normal((50, n_axes)))[0]
        rows = ProjectedRows(engine, axes, 0.5)
        prepared = rows.queries(shifted, np.sqrt(squares))
        assert not prepared.bad.any()
        products = np.empty((len(queries), 400), dtype=np.float32)
        rows.products(prepared.low, slice(0, 400), products)
        ceilings = (products - rows.half[:400]).astype(np.longdouble)
        # In the order of the scan.
        order = rows.base_ids(np.arange(400)[None], np.array([400]))
        np.testing.assert_array_equal(order[0], np.arange(400))
        place = [
            rows.base_ids(np.array([[j]]), np.array([1]))[0, 0] for j in range(400)
        ]
        x = engine._shifted_rows(slice(None)).astype(np.longdouble)[place]
        true = shifted.astype(np.longdouble) @ x.T - (x**2).sum(axis=1) / 2
        excess = true - ceilings - prepared.margin[:, None]
        assert (excess <= 0).all()
        # The bound of rounding is tight: with all axes little else is left.
        if n_axes == 50:
            scale = (np.sqrt(squares) + engine._peak) * engine._peak
            assert ((ceilings - true) <= 1e-4 * scale[:, None]).all()


def test_sizes_out_of_range_prove_nothing():
    base = (np.random.default_rng(1).standard_normal((90, 8)) * 1e17).astype(np.float32)
    for rows, queries in ((base, base[:5] * 1e-17), (base * 1e-17, base[:5])):
        engine = BruteEngine().fit(rows)
        shifted, squares = engine._shifted(queries.astype(np.float32))
        projected = ProjectedRows(engine, np.eye(8)[:, :4], 1.0)
        assert projected.queries(shifted, np.sqrt(squares)).bad.all()


def test_columns_are_dropped_where_few_directions_hold_most():
    for dtype in (np.float32, np.float64):
        engine = BruteEngine().fit(embeddings(6000, 128, dtype=dtype))
        rows = fewer_columns(engine, embeddings(50, 128, 1), 15, 400)
        assert isinstance(rows, ProjectedRows)
        assert rows.columns < 0.7 * 128
    # As many neighbours as a twentieth of the base.
    assert fewer_columns(engine, embeddings(50, 128, 1), 301, 400) is None


def test_no_columns_are_dropped_where_all_directions_hold_the_same():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((6000, 128))
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    engine = BruteEngine().fit(base)
    assert fewer_columns(engine, base[:50], 15, 400) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_many_queries_move_the_engine_to_fewer_columns(dtype, n_jobs, monkeypatch):
    only_float32(monkeypatch)
    train = embeddings(6000, 128, dtype=dtype)
    engine = FastEngine(n_jobs=n_jobs).fit(train)
    few = engine.kneighbors(train[:40], 15, np.arange(40))
    before = engine._filter.current(train, 15)
    assert isinstance(before, Float32Rows)
    many = engine.kneighbors(train, 15, np.arange(6000))
    assert isinstance(engine._filter.current(train, 15), ProjectedRows)
    # Rows are prepared in float32 once, for before, for what is unproven, for after.
    plain = engine._filter.float32()
    assert plain is before
    for a, b in zip(few, many):
        np.testing.assert_array_equal(a, b[:40])
    picked = np.arange(0, 6000, 61)
    want = by_differences(train, train[picked], 15, picked)
    np.testing.assert_array_equal(many[1][picked], want)
    # Queries unlike those that chose the columns, copies among them.
    rng = np.random.default_rng(5)
    others = rng.standard_normal((70, 128)).astype(dtype)
    others[:30] = train[7]
    for k in (1, 15, 400, 5999):
        got = engine.kneighbors(others, k)[1]
        np.testing.assert_array_equal(got, by_differences(train, others, k))
    engine._filter.leave(engine._filter.current(train, 15))
    assert engine._filter.current(train, 15) is plain


def test_columns_too_few_are_given_up(monkeypatch):
    only_float32(monkeypatch)
    rng = np.random.default_rng(2)
    train = rng.standard_normal((6000, 64)).astype(np.float32)
    engine = FastEngine().fit(train)

    def too_few(engine, *_):
        return ProjectedRows(engine, np.eye(64)[:, :8], 0.1)

    monkeypatch.setattr(fast_levels, "fewer_columns", too_few)
    monkeypatch.setattr(Levels, "_may_project", lambda self: not self._projected)
    assert isinstance(engine.fit(train)._make_filter().current(train, 9), ProjectedRows)
    for _ in range(2):
        got = engine.kneighbors(train[:400], 9)[1]
        np.testing.assert_array_equal(got, by_differences(train, train[:400], 9))
    assert isinstance(engine._filter.current(train, 9), Float32Rows)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.integers(1, 70))
def test_selection_is_that_of_a_sort(data, n):
    numbers = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf]) | st.floats(
        width=32, allow_nan=False
    )
    values = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)), np.float32)
    k = data.draw(st.integers(1, n))
    assert select(values.copy(), k) == np.sort(values)[::-1][k - 1]


@pytest.mark.parametrize("kind", ["int8", "bfloat16", "float32"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.6, 1.0])
def test_a_scan_keeps_what_reaches_the_floor(kind, share):
    rng = np.random.default_rng(4)
    n_rows, n_columns = 7, 320
    scale, half = rng.random((2, n_columns), dtype=np.float32) + np.float32(0.5)
    ratio = rng.random(n_rows, dtype=np.float32) + np.float32(0.5)
    products = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    if kind == "int8":
        products = (1000 * products).astype(np.int32)
        values = products.astype(np.float32) * scale - ratio[:, None] * half
    elif kind == "bfloat16":
        products = (products.view(np.int32) >> 16).astype(np.int16)
        values = (products.astype(np.int32) << 16).view(np.float32)
    else:
        values = products - half
    floors = np.quantile(values, 1 - share, axis=1).astype(np.float32)
    if share == 0.0:
        floors += 1
    reach = np.full(n_rows, np.inf)
    kept = np.empty((n_rows, n_columns + 64), dtype=np.float32)
    ids = np.empty(kept.shape, dtype=np.int32)
    counts = np.zeros(n_rows, dtype=np.int64)
    counts[3] = -1
    terms = scale, half, ratio, reach, 0.0, 5
    scan(products, 1000, *terms, (kept, ids, counts, floors))
    assert counts[3] == -1
    for row in np.delete(np.arange(n_rows), 3):
        want = np.flatnonzero(values[row] >= floors[row])
        np.testing.assert_array_equal(ids[row, : counts[row]], 1000 + want)
        np.testing.assert_array_equal(kept[row, : counts[row]], values[row, want])

    # Floors from a tile are at most what the k best imply, and not much less.
    reach[:] = 0.25
    found = np.full(n_rows, -3e38, dtype=np.float32)
    first_floors(products, *terms, found)
    ordered = np.sort(values, axis=1)[:, ::-1]
    assert (found <= ordered[:, 4] - 0.25).all()
    assert (found >= ordered[:, 11] - 0.251 - 1e-5 * np.abs(ordered[:, 11])).all()
