"""The error bounds of low-precision scores hold, and are not absurdly wide."""

import importlib.util
from fractions import Fraction

import numpy as np
import pytest
import torch
from skknn.neighbors._bounds import float64_error, product_error
from skknn.neighbors._brute import BruteEngine
from skknn.neighbors._certified import Share
from skknn.neighbors._fast_rows import Bfloat16Rows, Float32Rows, Int8Rows
from skknn.neighbors._filter_rows import FilterRows

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="needs numba"
)


def cases():
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((300, 60))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    yield "unit", unit, unit[:40] + 0.1 * rng.standard_normal((40, 60))
    mixed = unit * 10.0 ** rng.uniform(-3, 3, (300, 1))
    yield "norms over six orders", mixed, mixed[::7]
    yield "small queries", unit * 1e3, unit[:20] * 1e-6
    yield "large queries", unit * 1e-3, unit[:20] * 1e6
    yield "far off the origin", unit + 100, unit[:20] + 100
    yield "tiny", unit * 1e-30, unit[:20] * 1e-30
    yield "huge", unit * 1e16, unit[:20] * 1e16
    sparse = unit * (rng.random(unit.shape) < 0.1)
    sparse[5] = 0
    yield "zeros", sparse, np.vstack([sparse[:10], np.zeros((1, 60))])
    yield "one column", unit[:, :1], unit[:20, :1]


def true_scores(engine, queries):
    """Scores in exact arithmetic, on rows shifted in float64."""
    shift = 0 if engine._shift is None else engine._shift
    base = engine.X_.astype(np.float64) - shift
    queries = queries.astype(np.float64) - shift
    out = np.empty((len(queries), len(base)))
    halves = [sum(Fraction(v) ** 2 for v in x) / 2 for x in base]
    columns = [[Fraction(v) for v in x] for x in base]
    for i, q in enumerate(queries):
        q = [Fraction(v) for v in q]
        for j, x in enumerate(columns):
            out[i, j] = float(sum(a * b for a, b in zip(q, x)) - halves[j])
    return out


CASES = {name: (base, queries[:4]) for name, base, queries in cases()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["bfloat16", "float32", "numpy", "fast", "int8"])
def test_scores_stay_within_their_bounds(name, kind):
    base, queries = CASES[name]
    base = base[:60].astype(np.float32)
    queries = queries.astype(np.float32)
    engine = BruteEngine().fit(base)
    rows, squares = engine._shifted(queries)
    norms = np.sqrt(squares)
    if kind == "numpy":
        ids, ceiling = engine_propose(engine, rows, norms)
        error = product_error(np.float32, norms, engine._peak, base.shape[1])
        got = np.take_along_axis(ceiling, np.argsort(ids, axis=1), axis=1)
        low, high = got - 2 * error[:, None], got
    elif kind in ("bfloat16", "float32"):
        filtered = FilterRows(engine, torch.device("cpu"), getattr(torch, kind))
        prepared, factor, error = filtered.queries(rows, norms)
        products = filtered.products(prepared, slice(None)).double().numpy()
        high = filtered.ceiling(products, error[:, None])
        high = high * factor[:, None] + filtered.offset
        low = -filtered.ceiling(-products, error[:, None])
        low = low * factor[:, None] + filtered.offset
    else:
        low, high = fast_bounds(kind, engine, rows, norms)
    true = true_scores(engine, queries)
    slack = float64_error(norms, engine._peak, base.shape[1])[:, None]
    assert (true <= high + slack).all()
    assert (true >= low - slack).all()
    # Not so wide as to prove nothing.
    scale = ((norms + engine._peak) * engine._peak)[:, None]
    width = {"bfloat16": 0.05, "fast": 0.05, "int8": 0.1}.get(kind, 1e-4)
    assert ((high - low) <= width * scale + 1e-33).all()


def engine_propose(engine, rows, norms):
    engine._filter = engine._make_filter()
    ids, scores = engine._candidates(
        rows.astype(np.float32), len(engine.X_) - 1, None, Share(1 << 20, 1)
    )
    error = product_error(np.float32, norms, engine._peak, rows.shape[1])
    # The one row left out has the lowest score.
    missing = [np.setdiff1d(np.arange(len(engine.X_)), row) for row in ids]
    floor = scores.min(axis=1, keepdims=True)
    base, half = engine._filter
    left = rows.astype(np.float32) @ base.T - half
    left = np.take_along_axis(left, np.array(missing), axis=1)
    assert (left <= floor).all()
    ids = np.concatenate([ids, missing], axis=1)
    scores = np.concatenate([scores, left], axis=1)
    return ids, scores.astype(np.float64) + error[:, None]


def fast_bounds(kind, engine, rows, norms):
    filtered = {"fast": Bfloat16Rows, "int8": Int8Rows}[kind](engine)
    q = filtered.queries(rows, norms)
    assert not q.bad.any()
    out = np.empty((len(rows), len(engine.X_)), dtype=filtered.product_dtype)
    filtered.products(q.low, slice(0, len(engine.X_)), out)
    if kind == "fast":
        values = torch.from_numpy(out).view(torch.bfloat16).float().numpy()
    else:
        n = len(engine.X_)
        values = out.astype(np.float32) * filtered.scale[:n]
        values -= q.ratio[:, None] * filtered.half[:n]
    values = values.astype(np.float64)
    reach = filtered.unit * np.abs(values) + q.margin[:, None]
    return (
        q.factor[:, None] * (values - reach) + q.offset,
        q.factor[:, None] * (values + reach) + q.offset,
    )


def test_float32_products_that_round_their_inputs_are_noticed():
    engine = BruteEngine().fit(np.eye(4, dtype=np.float32))
    rows = FilterRows(engine, torch.device("cpu"), torch.float32)
    assert rows._input_rounding() == 0.0
    try:
        torch.set_float32_matmul_precision("medium")
        probe = torch.full((128, 128), 1 + 2.0**-12)
        rounds = not torch.equal(probe @ torch.eye(128), probe)
        assert (rows._input_rounding() > 0) == rounds
    finally:
        torch.set_float32_matmul_precision("highest")


def test_queries_out_of_range_of_float32_are_marked():
    base = np.random.default_rng(1).standard_normal((50, 8)) * 1e25
    engine = BruteEngine().fit(base.astype(np.float32))
    queries, squares = engine._shifted(base[:5].astype(np.float32))
    assert Float32Rows(engine).queries(queries, np.sqrt(squares)).bad.all()


@needs_numba
@pytest.mark.parametrize("unit", [0.0, 2.0**-8 / (1 - 2.0**-8)])
def test_nothing_below_the_floor_can_be_among_the_best(unit):
    from skknn.neighbors._fast_kernels import score_floor

    rng = np.random.default_rng(2)
    for best, margin in zip(rng.normal(size=500), rng.random(500) * 0.1):
        floor = float(score_floor(best, 2 * margin, unit))
        below = np.nextafter(np.float32(floor), np.float32(-np.inf), dtype=np.float32)
        below = float(below)
        # The truest score that a computed one below the floor may stand for is
        # less than the least one that the k-th best may stand for.
        assert below + unit * abs(below) + margin < best - unit * abs(best) - margin
        loose = best - 3 * (unit * abs(best) + margin) - 1e-6
        assert floor > loose - 1e-6 * abs(best)
