"""The share of the votes to expect, from curves made by hand."""

import numpy as np
import pytest

from skknn.model_selection._joint_rules import expected_share

SHARES = np.linspace(0, 1, 51)


def curve(means, noise=0.0, n_splits=5, seed=0):
    """Scores whose means are given, with paired noise that has mean 0."""
    random = np.random.default_rng(seed)
    wobble = noise * random.normal(size=(len(means), n_splits))
    wobble -= wobble.mean(axis=1, keepdims=True)
    return np.asarray(means, dtype=float)[:, None] + wobble


def by_hand(shares, scores):
    n = scores.shape[1]
    means = [float(np.mean(row)) for row in scores]
    best = int(np.argmax(means))
    variances = [np.var(scores[best] - row, ddof=1) for row in scores]
    error = (sum(variances) / len(variances) / n) ** 0.5
    weights = [
        np.exp(-0.5 * ((means[best] - m) / error) ** 2) * (1.001 - share) ** 5
        for m, share in zip(means, shares)
    ]
    mean = sum(w * s for w, s in zip(weights, shares)) / sum(weights)
    allowed = [0.0]
    for share, row in zip(shares, scores):
        gain = row - scores[0]
        if share <= mean and gain.mean() > 0.5 * np.std(gain, ddof=1) / n**0.5 + 1e-9:
            allowed.append(share)
    return max(allowed)


def test_without_evidence_the_base():
    """Every share scores alike."""
    scores = curve(np.full(51, 0.8), noise=0.02)
    assert SHARES[expected_share(SHARES, scores)] == 0


def test_with_little_evidence_a_seventh():
    """Any share is as good, and better than BASE: the prior's mean, 1 / 7."""
    means = np.where(SHARES == 0, 0.75, 0.8)
    share = SHARES[expected_share(SHARES, curve(means, noise=0.03))]
    assert share == pytest.approx(1 / 7, abs=0.06)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_with_much_evidence_the_best(place):
    scores = curve(0.9 - (SHARES - place) ** 2, noise=1e-4)
    share = SHARES[expected_share(SHARES, scores)]
    assert share == pytest.approx(place, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_against_plain_loops(seed):
    random = np.random.default_rng(seed)
    means = 0.8 + 0.02 * np.cumsum(random.normal(size=51)) / 10
    scores = curve(means, noise=0.02, seed=seed)
    assert SHARES[expected_share(SHARES, scores)] == by_hand(SHARES, scores)


def test_never_below_the_base():
    random = np.random.default_rng(0)
    for _ in range(100):
        scores = random.normal(size=(51, 5))
        point = expected_share(SHARES, scores)
        assert scores[point].mean() >= scores[0].mean()


def test_order_of_shares_and_a_single_split_do_not_matter():
    scores = curve(0.9 - (SHARES - 0.4) ** 2, noise=0.01)
    order = np.random.default_rng(0).permutation(51)
    point = expected_share(SHARES, scores)
    assert order[expected_share(SHARES[order], scores[order])] == point
    share = SHARES[expected_share(SHARES, scores[:, :1])]
    assert 0 < share < 0.2
    assert expected_share(np.array([0.3]), np.array([[0.5, 0.6]])) == 0
