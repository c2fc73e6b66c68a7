import numpy as np
import pytest

from skknn.classifiers._modulation import row_modulation, row_weights


def test_weights_at_the_ends_are_exact():
    p = np.array([1.0, 0.0])
    values = row_modulation(p, "nll", 2.0)
    np.testing.assert_array_equal(values, [0.0, 100.0])
    with pytest.warns(UserWarning, match="1 of 2 .* carry"):
        weights = row_weights(values, "nll", 0.3)
    np.testing.assert_array_equal(weights, [1.0, 1.0 + 100 * 0.3])


def test_nll_follows_the_equation_up_to_the_clamp():
    p = np.array([0.5, 1e-3, 1e-40, 1e-50])
    got = row_modulation(p, "nll", 2.0)
    np.testing.assert_allclose(got, [np.log(2), 3 * np.log(10), 40 * np.log(10), 100])


def test_a_probability_rounded_above_one_gets_no_negative_weight():
    p = np.array([1 + 2e-16 * 4])
    assert row_modulation(p, "nll", 2.0)[0] == 0
    assert row_modulation(p, "focal", 0.5)[0] == 0


def test_focal_ignores_alpha():
    values = row_modulation(np.array([0.25, 0.5]), "focal", 3.0)
    np.testing.assert_allclose(values, [0.75**3, 0.125])
    np.testing.assert_array_equal(row_weights(values, "focal", 7.0), values)


def test_callables_return_the_weights():
    values = row_modulation(np.array([0.25, 0.5]), lambda p: 2 - p, 3.0)
    np.testing.assert_array_equal(row_weights(values, lambda p: p, 9.0), [1.75, 1.5])


@pytest.mark.parametrize(
    "returned, message",
    [
        (np.ones(3), r"one weight a row: expected shape \(2,\), got \(3,\)"),
        (np.array([1.0, np.nan]), r"row 1 got nan from p=0.5"),
        (np.array([-1.0, 1.0]), r"row 0 got -1.0 from p=0.25"),
    ],
)
def test_bad_callables_are_named(returned, message):
    with pytest.raises(ValueError, match=message):
        row_modulation(np.array([0.25, 0.5]), lambda p: returned, 2.0)


def test_no_hard_row_at_all_warns_and_fits_unweighted():
    values = row_modulation(np.ones(4), "focal", 2.0)
    with pytest.warns(UserWarning, match="every row the weight 0"):
        np.testing.assert_array_equal(row_weights(values, "focal", 1.0), np.ones(4))
