"""The best share of the votes, against scikit-learn's scores on a dense grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from skknn.model_selection._lambda_path import LambdaPath, best_lambda


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
