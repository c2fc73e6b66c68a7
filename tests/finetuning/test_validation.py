"""Held-out rows, the epoch that is kept, and stopping early."""

import numpy as np
import pytest
from finetuning_examples import TinyNetwork, labelled_images, tiny

from skknn.finetuning._validation import hold_out, is_over

X, Y = labelled_images()
CODES = np.unique(Y, return_inverse=True)[1]


def losses(model):
    return [epoch["validation_loss"] for epoch in model.history_]


def test_rows_are_held_out_of_every_class():
    training, held_out = hold_out(CODES, 0.2, 0)
    assert sorted([*training, *held_out]) == list(range(len(X)))
    assert np.bincount(CODES[held_out]).tolist() == [2, 2, 2]
    assert (hold_out(CODES, 0.2, 1)[1] != held_out).any()
    everything, nothing = hold_out(CODES, None, 0)
    assert len(everything) == len(X) and len(nothing) == 0


def test_held_out_rows_neither_teach_nor_vote():
    model = tiny(validation_fraction=0.2).fit(X, Y)
    assert model.knn_.n_samples_fit_ == len(model.knn_proba_) == 24
    training, held_out = hold_out(CODES, 0.2, int(model._seed))
    changed = X.copy()
    changed[held_out] = 255 - changed[held_out]
    other = tiny(validation_fraction=0.2, epochs=1).fit(changed, Y)
    first = tiny(validation_fraction=0.2, epochs=1).fit(X, Y)
    assert other.history_[0]["loss"] == first.history_[0]["loss"]
    assert losses(other) != losses(first)
    np.testing.assert_array_equal(other.transform(X), first.transform(X))


@pytest.mark.parametrize(
    "refresh, lam, backbone",
    [
        ("epoch", 0.4, TinyNetwork),
        ("epoch", 0, TinyNetwork),
        ("test", 0.4, TinyNetwork),
        # Embeds by a copy of the network, which must follow each epoch.
        ("epoch", 0.4, "test_resnet"),
    ],
)
def test_scores_are_those_of_the_kept_model(refresh, lam, backbone):
    model = tiny(
        backbone=backbone, validation_fraction=0.3, refresh=refresh, lam=lam, epochs=5,
        learning_rate=3.0,
    ).fit(X, Y)  # fmt: skip
    assert len(set(losses(model))) == 5
    assert model.n_epochs_ == np.argmin(losses(model)) + 1
    held_out = hold_out(CODES, 0.3, int(model._seed))[1]
    # With a bank that is not embedded again, scores are the head's.
    model.set_params(lam=lam if refresh == "epoch" else 0)
    proba = model.predict_proba(X[held_out])
    own = proba[np.arange(len(held_out)), CODES[held_out]]
    kept = model.history_[model.n_epochs_ - 1]
    assert kept["validation_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-4)
    hits = proba.argmax(1) == CODES[held_out]
    assert kept["validation_accuracy"] == hits.mean()


def test_training_ends_when_the_loss_has_not_fallen():
    settings = dict(validation_fraction=0.3, epochs=12, learning_rate=60.0, alpha=0)
    whole = tiny(**settings).fit(X, Y)
    stopped = tiny(**settings, patience=2).fit(X, Y)
    n = len(stopped.history_)
    assert losses(stopped) == losses(whole)[:n]
    assert stopped.n_epochs_ == n - 2 < 10
    assert stopped.n_epochs_ == np.argmin(losses(stopped)) + 1


def test_patience_counts_epochs_since_the_best():
    def told(*values, patience=2):
        return is_over([{"validation_loss": value} for value in values], patience)

    assert not told()
    assert not told(3.0, 2.0, 2.0)
    assert told(3.0, 2.0, 2.0, 2.0)
    assert not told(3.0, 2.0, 2.5, 1.0)
    assert not told(1.0, 2.0, 3.0, 4.0, patience=None)


def test_patience_needs_held_out_rows():
    with pytest.raises(ValueError, match="patience=3 needs rows .* validation_frac"):
        tiny(patience=3).fit(X, Y)


def test_classes_too_small_to_hold_out():
    with pytest.raises(ValueError, match="validation_fraction=0.01 cannot be drawn"):
        tiny(validation_fraction=0.01).fit(X, Y)
