"""Words left out: how often, which, and never all."""

import numpy as np
import pytest

from skknn.gradients import TextSimCLRObjective
from skknn.gradients.views import TextFrame, delete_words, text_generator

TEXT = "one two  three\tfour five, six\nseven eight nine ten"
FRAME = TextFrame(128)


def test_words_stay_in_order_and_as_they_are_spelled():
    rng = np.random.default_rng(0)
    for _ in range(200):
        view = delete_words(TEXT, rng, 0.3)
        words = iter(TEXT.split())
        assert view == view.strip() and all(word in words for word in view.split())
    assert delete_words(TEXT, rng, 0.0) == TEXT


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_each_word_is_left_out_independently(probability):
    rng = np.random.default_rng(0)
    n, words = 4000, TEXT.split()
    views = [delete_words(TEXT, rng, probability).split() for _ in range(n)]
    stays = np.array([[word in view for word in words] for view in views])
    # Five standard errors.
    error = 5 * np.sqrt(probability * (1 - probability) / n)
    np.testing.assert_allclose(stays.mean(axis=0), 1 - probability, atol=error)
    together = np.corrcoef(stays.T) - np.eye(len(words))
    assert np.abs(together).max() < 5 / np.sqrt(n)


def test_one_word_always_stays():
    rng = np.random.default_rng(0)
    left = {delete_words("a b c", rng, 1.0) for _ in range(100)}
    assert left == {"a", "b", "c"}
    assert delete_words("alone", rng, 1.0) == "alone"


def test_the_generator_is_that_of_text_and_seed():
    def first(text, seed):
        return text_generator(text, seed).integers(2**60)

    assert first(TEXT, 1) == first(str(TEXT), 1)
    assert len({first(TEXT, 1), first(TEXT, 2), first(TEXT + " ", 1)}) == 3


def test_views_of_the_objective():
    objective = TextSimCLRObjective(n_views=5, deletion=0.4)
    drawn = objective.draw(np.random.default_rng(0))
    views = objective.views(TEXT, FRAME, drawn)
    assert len(views) == 5 and len(set(views)) > 1
    assert objective.views(TEXT, FRAME, drawn) == views
    other = objective.draw(np.random.default_rng(1))
    assert objective.views(TEXT, FRAME, other) != views
    # The first views do not depend on how many there are.
    fewer = TextSimCLRObjective(n_views=2, deletion=0.4)
    assert fewer.views(TEXT, FRAME, drawn) == views[:2]
