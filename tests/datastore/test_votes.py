import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references import votes

from skknn.datastore import _votes, soft_votes, true_class_votes
from skknn.datastore._votes import (
    sorted_gaps,
    walk_soft_votes,
    walk_true_class_votes,
)


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    k=st.integers(1, 12),
    n_classes=st.integers(2, 5),
    tau=st.floats(1e-4, 10),
)
def test_equals_a_plain_loop(data, k, n_classes, tau):
    draw = st.lists(st.floats(0, 4), min_size=k, max_size=k)
    distances = np.array([sorted(data.draw(draw)) for _ in range(3)])
    labels = np.array(
        [
            data.draw(st.lists(st.integers(0, n_classes - 1), min_size=k, max_size=k))
            for _ in range(3)
        ]
    )
    got = soft_votes(distances, labels, tau, n_classes)
    for row in range(3):
        pairs = [(d, i) for i, d in enumerate(distances[row])]
        want = votes(pairs, labels[row], tau, n_classes)
        np.testing.assert_allclose(got[row], want, atol=1e-14)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("tau", [1e-300, 1e-12, 1e-3, 1.0, 1e300, math.inf])
def test_no_nan_at_any_temperature(tau):
    distances = np.array([[0.0, 1e-9, 1.0, 1e6], [5.0, 5.0, 5.0, 5.0]])
    labels = np.array([[0, 1, 1, 1], [0, 1, 1, 1]])
    got = soft_votes(distances, labels, tau, 2)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got.sum(axis=1), 1)
    np.testing.assert_allclose(got[1], [0.25, 0.75])


def test_far_neighbours_keep_their_votes_at_small_temperatures():
    # exp(-2 / 0.001) is zero even in float64.
    got = soft_votes(np.array([[2.0, 2.001]]), np.array([[1, 0]]), 0.001, 2)
    np.testing.assert_allclose(got, [[1 / (1 + math.e), math.e / (1 + math.e)]])


def test_true_class_probability_is_bitwise_that_of_the_votes():
    rng = np.random.default_rng(1)
    distances = np.sort(rng.random((200, 30)), axis=1)
    labels = rng.integers(0, 4, (200, 30))
    own = rng.integers(0, 4, 200)
    proba = soft_votes(distances, labels, 0.03, 4)
    got = true_class_votes(distances, labels == own[:, None], 0.03)
    np.testing.assert_array_equal(got, proba[np.arange(200), own])


@pytest.mark.parametrize("tau", [1e-4, 0.01, 0.3, math.inf])
@pytest.mark.parametrize("block", [7, 256])
def test_walks_give_the_bits_of_one_k_at_a_time(tau, block, monkeypatch):
    # Near-ties between classes are decided by the last bit: a walk that added partial
    # sums in another order would predict other classes.
    monkeypatch.setattr(_votes, "_BLOCK", block)
    rng = np.random.default_rng(2)
    distances = np.sort(rng.integers(0, 30, (101, 67)) / 7, axis=1)
    labels = rng.integers(0, 5, (101, 67)).astype(np.uint8)
    agree = labels == rng.integers(0, 5, (101, 1))
    ks = [1, 2, 3, 10, 11, 64, 67]
    gaps = sorted_gaps(distances)
    walked = list(walk_soft_votes(gaps, labels.T, tau, 5, ks))
    own = list(walk_true_class_votes(gaps, agree.T, tau, ks))
    assert len(walked) == len(own) == len(ks)
    for j, k in enumerate(ks):
        weights = [[math.exp(-((d - row[0]) / tau)) for d in row] for row in distances]
        total = [sum(row[:k]) for row in weights]
        want = np.zeros((101, 5))
        for i, row in enumerate(weights):
            for weight, label in zip(row[:k], labels[i]):
                want[i, label] += weight
            want[i] /= total[i]
        # Bitwise, too, but for exp, which differs between libraries.
        np.testing.assert_allclose(walked[j], want, rtol=1e-13)
        np.testing.assert_array_equal(
            walked[j], soft_votes(distances[:, :k], labels[:, :k], tau, 5)
        )
        np.testing.assert_array_equal(
            own[j], true_class_votes(distances[:, :k], agree[:, :k], tau)
        )


def test_weights_are_added_one_after_the_other():
    # Neither pairwise nor in blocks: with equal weights of 1 / 3 in float64, the
    # order of additions shows in the last bits of almost every running sum.
    tau, n = 1.0, 1000
    gap = math.log(3)
    distances = np.concatenate([np.zeros((3, 1)), np.full((3, n), gap)], axis=1)
    agree = np.ones((3, n + 1), dtype=bool)
    agree[:, 0] = False
    weight = np.exp(np.array([-gap]))[0]
    own, total = 0.0, 1.0
    for _ in range(n):
        own, total = own + weight, total + weight
    got = true_class_votes(distances, agree, tau)
    np.testing.assert_array_equal(got, own / total)
    labels = agree.astype(int)
    np.testing.assert_array_equal(soft_votes(distances, labels, tau, 2)[:, 1], got)
