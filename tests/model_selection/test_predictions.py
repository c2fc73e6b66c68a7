"""Compiled predictions against those of the votes in float64."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skknn.datastore._votes import sorted_gaps, walk_soft_votes
from skknn.model_selection import _predictions
from skknn.model_selection._predictions import Predictions

pytest.importorskip("numba")

from skknn.model_selection import _compiled_votes  # noqa: E402
from skknn.neighbors.exact import _kernels  # noqa: E402, F401


def plain_predictions(gaps, labels, tau, n_classes, n_neighbors):
    walk = walk_soft_votes(gaps, labels, tau, n_classes, n_neighbors)
    return np.array([proba.argmax(axis=1) for proba in walk])


def compiled(gaps, labels, tau, n_classes, n_neighbors):
    """Predictions as the compiled loops leave them, and which rows are unsure."""
    codes = np.full((len(n_neighbors), gaps.shape[1]), 255, dtype=np.uint8)
    unsure = np.zeros(gaps.shape[1], dtype=bool)
    blocks = _compiled_votes.in_blocks(gaps, np.float32)
    _compiled_votes.predict(
        np.exp(blocks * np.float32(-1 / tau)),
        _compiled_votes.in_blocks(labels, np.uint8),
        n_classes,
        np.array(n_neighbors),
        codes,
        unsure,
    )
    return codes, unsure


def random_lists(seed, n_queries, k, n_classes, step=0.0):
    """Gaps and labels; multiples of ``step`` make ties."""
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.random((n_queries, k)), axis=1)
    if step:
        distances = np.sort(np.round(distances / step) * step, axis=1)
    labels = rng.integers(0, n_classes, (k, n_queries)).astype(np.uint8)
    return sorted_gaps(distances), labels


def test_weights_in_float32_are_as_close_as_the_proof_needs():
    x = np.concatenate([np.linspace(0, 86, 1_000_001), np.logspace(-12, 1.9, 100_001)])
    got = np.exp(-x.astype(np.float32)).astype(np.float64)
    assert np.abs(got - np.exp(-x)).max() < 6 * 2.0**-24
    assert got[0] == 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_queries=st.integers(1, 300),
    k=st.integers(1, 60),
    n_classes=st.integers(2, 7),
    tau=st.sampled_from([1e-310, 1e-5, 0.01, 0.1, 1.0, 10.0, 1e9, math.inf]),
    step=st.sampled_from([0.0, 0.05, 0.5]),
    size=st.sampled_from([1.0, 1.0, 1e-40, 1e25, 1e35, 1e200]),
)
def test_predictions_are_those_of_the_votes(
    seed, n_queries, k, n_classes, tau, step, size
):
    gaps, labels = random_lists(seed, n_queries, k, n_classes, step)
    gaps *= size
    tau = max(tau * size, 1e-323)
    ks = sorted({1, 2, (k + 1) // 2, k} & set(range(1, k + 1)))
    got = np.array(list(Predictions(gaps, labels, n_classes).walk(tau, ks)))
    want = plain_predictions(gaps, labels, tau, n_classes, ks)
    np.testing.assert_array_equal(got, want)


def test_near_ties_are_counted_again():
    # One class leads by less than float32 can tell, now and then in either order.
    rng = np.random.default_rng(0)
    gaps = np.zeros((4, 1000))
    gaps[2:] = 1.0 + rng.normal(scale=1e-9, size=(2, 1000))
    gaps[2:].sort(axis=0)
    labels = np.array([[0], [1], [0], [1]], dtype=np.uint8).repeat(1000, axis=1)
    swapped = rng.random(1000) < 0.5
    labels[2:, swapped] = labels[2:, swapped][::-1]
    assert compiled(gaps, labels, 1.0, 2, [4])[1].all()
    (got,) = Predictions(gaps, labels, 2).walk(1.0, [4])
    np.testing.assert_array_equal(got, plain_predictions(gaps, labels, 1.0, 2, [4])[0])
    assert 0 < got.mean() < 1


def test_few_rows_are_unsure_and_settled_ones_end_early():
    gaps, labels = random_lists(1, 2000, 200, 10)
    labels[:60] = 3  # decided long before k = 200 at small temperatures
    ks = [1, 8, 64, 128, 200]
    for tau in (1e-3, 0.02, 0.1, 1.0):
        codes, unsure = compiled(gaps, labels, tau, 10, ks)
        want = plain_predictions(gaps, labels, tau, 10, ks)
        assert unsure.mean() < 0.01
        np.testing.assert_array_equal(codes[:, ~unsure], want[:, ~unsure])


def test_without_the_compiled_loops_predictions_are_the_same(monkeypatch):
    gaps, labels = random_lists(2, 300, 50, 5)
    fast = list(Predictions(gaps, labels, 5).walk(0.1, [1, 20, 50]))
    monkeypatch.delitem(_predictions.sys.modules, "skknn.neighbors.exact._kernels")
    monkeypatch.setattr(_compiled_votes, "predict", None)  # must not be called
    plain = list(Predictions(gaps, labels, 5).walk(0.1, [1, 20, 50]))
    np.testing.assert_array_equal(plain, fast)
