"""The best share of the votes, against scikit-learn's scores on a dense grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from skknn.model_selection._lambda_path import LambdaPath, best_lambda

EPS = np.finfo(np.float64).eps


def tables(seed, n_rows, n_classes, ties=False):
    """Votes, base and true classes of a few splits."""
    random = np.random.default_rng(seed)
    out = []
    for _ in range(3):
        codes = random.integers(0, n_classes, n_rows)
        parts = []
        for sharpness in random.uniform(0.2, 3, 2):
            logits = random.normal(size=(n_rows, n_classes))
            logits[np.arange(n_rows), codes] += random.uniform(-0.5, 2)
            proba = np.exp(sharpness * logits)
            if ties:
                proba = np.ceil(3 * proba / proba.max(axis=1, keepdims=True))
            parts.append(proba / proba.sum(axis=1, keepdims=True))
        out.append((*parts, codes))
    return out


def mean_score(splits, lam, kind):
    scores = []
    for votes, base, codes in splits:
        proba = lam * votes + (1 - lam) * base
        if kind == "accuracy":
            scores.append(np.mean(proba.argmax(axis=1) == codes))
        else:
            scores.append(np.mean(np.log(proba[np.arange(len(codes)), codes])))
    return np.mean(scores)


@pytest.mark.parametrize("kind", ["accuracy", "neg_log_loss"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(1, 30),
    n_classes=st.integers(2, 5),
    ties=st.booleans(),
)
def test_no_lambda_of_a_dense_grid_is_better(kind, seed, n_rows, n_classes, ties):
    splits = tables(seed, n_rows, n_classes, ties)
    lam = best_lambda([LambdaPath(*split, {kind}) for split in splits], kind)
    assert 0 <= lam <= 1
    found = mean_score(splits, lam, kind)
    for other in np.linspace(0, 1, 101):
        assert found >= mean_score(splits, other, kind) - 1e-9


@pytest.mark.parametrize("kind", ["accuracy", "neg_log_loss"])
@pytest.mark.parametrize("better", ["votes", "base"])
def test_a_side_that_is_always_better_gets_all(kind, better):
    codes = np.arange(12) % 3
    good = np.full((12, 3), 0.05)
    good[np.arange(12), codes] = 0.9
    bad = np.full((12, 3), 0.4)
    bad[np.arange(12), codes] = 0.2
    votes, base = (good, bad) if better == "votes" else (bad, good)
    lam = best_lambda([LambdaPath(votes, base, codes, {kind})], kind)
    if kind == "neg_log_loss":
        assert lam == (1.0 if better == "votes" else 0.0)
    else:
        proba = lam * votes + (1 - lam) * base
        assert (proba.argmax(axis=1) == codes).all()


def test_scores_at_a_lambda_equal_scikit_learn():
    (votes, base, codes), *_ = tables(3, 40, 4)
    path = LambdaPath(votes, base, codes, {"accuracy", "neg_log_loss"})
    for lam in (0.0, 0.3, 0.77, 1.0):
        proba = lam * votes + (1 - lam) * base
        assert path.score("accuracy", lam) == accuracy_score(codes, proba.argmax(1))
        want = -log_loss(codes, proba)
        assert path.score("neg_log_loss", lam) == pytest.approx(want, abs=1e-14)


def certain_tables(seed):
    """Sides so certain that the log loss clips some rows' probabilities."""
    random = np.random.default_rng(seed)
    n_classes = int(random.integers(3, 5))
    out = []
    for _ in range(int(random.integers(1, 5))):
        n_rows = int(random.integers(n_classes, 20))
        codes = np.arange(n_rows) % n_classes
        parts = []
        for _ in range(2):
            logits = random.normal(size=(n_rows, n_classes))
            logits[np.arange(n_rows), codes] += random.uniform(-0.5, 2)
            logits *= random.choice([0.2, 1, 10, 30])
            proba = np.exp(logits - logits.max(axis=1, keepdims=True))
            parts.append(proba / proba.sum(axis=1, keepdims=True))
        out.append((*parts, codes))
    return out


def clipped_loss(splits, lam):
    """scikit-learn's log loss, which takes milliseconds a call, averaged."""
    losses = []
    for votes, base, codes in splits:
        own = (lam * votes + (1 - lam) * base)[np.arange(len(codes)), codes]
        losses.append(-np.mean(np.log(np.clip(own, EPS, 1 - EPS))))
    return np.mean(losses)


def test_no_lambda_is_better_where_the_log_loss_is_clipped():
    """Clipped, the loss is not convex; taken for convex, it misses 3 of these."""
    splits = certain_tables(0)
    want = np.mean([log_loss(c, 0.3 * v + 0.7 * b) for v, b, c in splits])
    assert clipped_loss(splits, 0.3) == pytest.approx(want, abs=1e-14)
    for seed in range(400):
        splits = certain_tables(seed)
        paths = [LambdaPath(*split, {"neg_log_loss"}) for split in splits]
        found = best_lambda(paths, "neg_log_loss")
        losses = [clipped_loss(splits, lam) for lam in np.linspace(0, 1, 101)]
        assert clipped_loss(splits, found) <= min(losses) + 1e-9
