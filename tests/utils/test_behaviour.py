"""Answers are compared within rounding, and only of those that answer alike."""

import warnings

import numpy as np
import pytest

from skknn.utils import _behaviour
from skknn.utils._behaviour import Answer, Behaviour, observe

ROWS = np.random.default_rng(0).normal(size=(4, 50)).astype("f4")


def of(rows, tolerance=1e-4):
    return Behaviour([Answer(np.float32(rows), tolerance)])


def test_differences_are_relative_to_the_largest_of_a_row():
    scaled = ROWS * np.float32([[1e-20], [1], [1e3], [1e20]])
    changed = scaled.copy()
    changed[2, 7] += 0.5e-4 * np.abs(scaled[2]).max()
    assert of(scaled).difference(of(scaled).to_bytes()) == 0
    assert of(scaled).difference(of(changed).to_bytes()) == pytest.approx(0.5, rel=1e-2)
    changed[0, 3] += 3e-4 * np.abs(scaled[0]).max()
    assert of(scaled).difference(of(changed).to_bytes()) == pytest.approx(3, rel=1e-2)


@pytest.mark.parametrize(
    "one, other, same",
    [
        ([[0.0, 0.0]], [[0.0, 0.0]], True),
        ([[0.0, 0.0]], [[0.0, 1e-30]], False),
        ([[np.nan, 1.0]], [[np.nan, 1.0]], True),
        ([[np.nan, 1.0]], [[1.0, 1.0]], False),
        ([[1.0, 1.0]], [[np.nan, 1.0]], False),
        ([[np.inf, 1.0]], [[-np.inf, 1.0]], False),
        ([[np.inf, 1.0]], [[np.inf, 1.00001]], True),
        ([[1.0, 1.0]], [[1.0, 1.0, 1.0]], False),
        ([[]], [[]], True),
    ],
)
def test_special_numbers_and_shapes(one, other, same):
    assert (of(one).difference(of(other).to_bytes()) <= 1) is same


def test_answers_have_tolerances_of_their_own():
    both = Behaviour([Answer(ROWS, 1e-4), Answer(ROWS, 1e-1)])
    near = Behaviour([Answer(ROWS, 1), Answer(ROWS * 1.01, 1)])
    assert both.difference(near.to_bytes()) <= 1
    swapped = Behaviour([Answer(ROWS * 1.01, 1), Answer(ROWS, 1)])
    assert both.difference(swapped.to_bytes()) > 1
    joined = of(ROWS) + of(ROWS, 1e-1)
    assert joined.to_bytes() == both.to_bytes()
    assert joined.difference(near.to_bytes()) <= 1


def test_whoever_answers_otherwise_the_second_time_is_not_observed():
    asked = []

    def steady(n):
        asked.append(n)
        return {"a": [Answer(ROWS[:n], 1e-4), Answer(ROWS[3:], 1e-4)]}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = observe(steady, "It")
    assert asked == [3, 1]
    assert found["a"].difference(Behaviour(steady(3)["a"]).to_bytes()) == 0

    def fickle(n):
        return {"a": [Answer(ROWS[:n], 1e-4), Answer(ROWS[3:] * n, 1e-4)]}

    with pytest.warns(UserWarning, match="It gives other numbers.*memory="):
        assert observe(fickle, "It") is None


def test_those_that_answer_alike_are_asked_once(monkeypatch):
    monkeypatch.setattr(_behaviour, "_OBSERVED", {})
    asked = []

    def ask(n):
        asked.append(n)
        return {"a": [Answer(ROWS[:n], 1e-4)]}

    for key in ("one", "one", "two", None, None, "one"):
        observe(ask, "It", key)
    assert asked == [3, 1] * 4
    for i in range(100):
        observe(ask, "It", i)
    observe(ask, "It", 99)
    assert asked == [3, 1] * 104
