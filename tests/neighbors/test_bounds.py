"""The error bounds of low-precision scores hold, and are not absurdly wide."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact._bfloat16 import Bfloat16Rows
from skknn.neighbors.exact._candidates import QueryBlock
from skknn.neighbors.exact._numpy import NumpyProposer
from skknn.neighbors.exact._top_k import bfloat16_values
from skknn.neighbors.exact._torch import TorchProposer


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


def true_scores(rows, queries):
    """Scores in exact arithmetic, on rows shifted in float64."""
    base, queries = rows.shifted(rows.values), rows.shifted(queries)
    out = np.empty((len(queries), len(base)))
    halves = [sum(Fraction(v) ** 2 for v in x) / 2 for x in base]
    columns = [[Fraction(v) for v in x] for x in base]
    for i, q in enumerate(queries):
        q = [Fraction(v) for v in q]
        for j, x in enumerate(columns):
            out[i, j] = float(sum(a * b for a, b in zip(q, x)) - halves[j])
    return out


CASES = {name: (base, queries[:4]) for name, base, queries in cases()}


def numpy_bounds(rows, block):
    """The least and the largest true scores that computed ones may stand for."""
    proposer = NumpyProposer(rows, np.float32)
    low, error = proposer.low_queries(block)
    high = proposer.ceilings(proposer.scores(low, slice(0, len(rows))), error)
    return high - 2 * error[:, None], high


def bfloat16_bounds(rows, block):
    proposer = TorchProposer(rows)
    low, error = proposer.low_queries(block)
    bits = proposer.scores(low, slice(0, len(rows)))
    values = bfloat16_values(bits)
    least = values - proposer.unit * np.abs(values.astype(np.float64))
    lowest = proposer.ceilings(values * 0, -error) + least / proposer.scale**2
    return lowest, proposer.ceilings(bits, error)


def device_bounds(rows, block):
    low = Bfloat16Rows(rows, torch.device("cpu"), float32_scores=True)
    scaled = torch.from_numpy(block.shifted * low.scale)
    queries, error = low.queries(scaled, torch.from_numpy(block.norms * low.scale))
    scores = low.scores(queries, slice(None)).double()
    assert (scores[:, len(rows) :] < -1e38).all()  # only fill up groups
    scores = scores[:, : len(rows)]
    bounds = (scores + sign * error[:, None] - low.middle for sign in (-1, 1))
    return [bound.numpy() / low.scale**2 for bound in bounds]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "bounds, width",
    [(numpy_bounds, 1e-4), (bfloat16_bounds, 0.05), (device_bounds, 0.02)],
)
def test_scores_stay_within_their_bounds(name, bounds, width):
    base, queries = CASES[name]
    rows = IndexRows.from_array(base[:60].astype(np.float32))
    block = QueryBlock.of(rows, queries.astype(np.float32), None)
    low, high = bounds(rows, block)
    true, tolerance = true_scores(rows, block.values), block.tolerance[:, None]
    assert (true <= high + tolerance).all()
    assert (true >= low - tolerance).all()
    # Not so wide as to prove nothing.
    scale = ((block.norms + rows.largest_norm) * rows.largest_norm)[:, None]
    assert ((high - low) <= width * scale + 1e-33).all()


def test_scores_on_a_device_are_the_same_in_tf32():
    # Numbers that fit bfloat16: a product that rounds its inputs changes nothing.
    rows = IndexRows.from_array(CASES["unit"][0].astype(np.float32))
    low = Bfloat16Rows(rows, torch.device("cpu"), float32_scores=True)
    matrix = low._rows[: len(rows)]
    assert torch.equal(matrix.bfloat16().to(matrix.dtype), matrix)
