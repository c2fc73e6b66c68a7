"""Errors over bad values say where they are, and how to go on."""

import numpy as np
import pytest

from skknn import JointKNNClassifier, KNNWeightedLogisticRegression, SoftKNNClassifier
from skknn.utils._bad_values import with_place

CLASSIFIERS = [SoftKNNClassifier, KNNWeightedLogisticRegression, JointKNNClassifier]
X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_rows_of_images_that_could_not_be_read_name_the_way_on(cls):
    lost = X.copy()
    lost[[4, 17]] = np.nan
    for run in (
        lambda: cls(n_neighbors=3).fit(lost, Y),
        lambda: cls(n_neighbors=3).fit(X, Y).predict(lost),
    ):
        with pytest.raises(
            ValueError, match=r"of rows 4, 17 is NaN \(2 of 30 rows\)"
        ) as error:
            run()
        assert "drop_unreadable(X, y)" in str(error.value)
        assert "HistGradientBoosting" not in str(error.value)


@pytest.mark.parametrize("value, word", [(np.nan, "NaN"), (np.inf, "infinity")])
def test_single_bad_values_are_pointed_at(value, word):
    bad = X.copy()
    bad[7, 2] = value
    with pytest.raises(ValueError, match=rf"(?s){word}.*row 7, column 2"):
        SoftKNNClassifier().fit(bad, Y)


def test_long_lists_are_cut_and_other_errors_left_alone():
    lost = np.full((40, 3), np.nan)
    error = with_place(ValueError("Input X contains NaN."), lost)
    assert "rows 0, 1, 2" in str(error) and "and 30 more is NaN (40 of 40 rows)" in str(
        error
    )
    for given in (ValueError("something else"), ValueError("NaN in y")):
        assert with_place(given, X) is given
    # One column says nothing of images.
    one = with_place(ValueError("Input X contains NaN."), [[np.nan], [1.0]])
    assert "row 0, column 0" in str(one)
