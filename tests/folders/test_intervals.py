"""Intervals of shares."""

import numpy as np
import pytest
from scipy.stats import binomtest

from skknn.folders._intervals import bootstrap_of_groups, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (3, 7), (480, 500)])
def test_wilson_is_that_of_scipy(right, n):
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(right, n), expected, atol=1e-12)


def test_nothing_is_known_of_no_rows():
    assert wilson(0, 0) == (0.0, 1.0)


def test_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.7, 10)
    groups = np.repeat(np.arange(40), 10)
    low, high = bootstrap_of_groups(right, groups)
    assert low < right.mean() < high
    # 40 groups that are right or wrong as a whole count as 40 rows.
    narrow, as_one = wilson(right.sum(), 400), wilson(right[::10].sum(), 40)
    assert high - low > 2 * (narrow[1] - narrow[0])
    np.testing.assert_allclose([low, high], as_one, atol=0.03)
    single = bootstrap_of_groups(right, np.arange(400))
    np.testing.assert_allclose(single, narrow, atol=0.01)


def test_groups_that_are_all_right_leave_a_doubt():
    groups = np.repeat(np.arange(5), 8)
    for right in (1, 0):
        low, high = bootstrap_of_groups(np.full(40, right, dtype=bool), groups)
        np.testing.assert_allclose((low, high), wilson(5 * right, 5))
