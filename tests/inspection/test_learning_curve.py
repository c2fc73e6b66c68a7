"""LearningCurveDisplay: the numbers of the history, and what is drawn of them."""

import numpy as np
import pytest
from finetuning_examples import labelled_images, tiny
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skknn import SoftKNNClassifier
from skknn.inspection import LearningCurveDisplay

X, Y = labelled_images()


@pytest.fixture(scope="module")
def matplotlib():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield matplotlib
    matplotlib.pyplot.close("all")


def lines(axis):
    return {
        line.get_label(): np.asarray(line.get_ydata(), dtype=float)
        for line in axis.get_lines()
    }


def test_held_out_scores_are_drawn(matplotlib):
    model = tiny(validation_fraction=0.2).fit(X, Y)
    display = LearningCurveDisplay.from_estimator(
        make_pipeline(FunctionTransformer(), model)
    ).plot()
    history = model.history_
    left, right = (lines(axis) for axis in display.axes_)
    for drawn, name in (
        (left["training, weighted"], "loss"),
        (left["held out"], "validation_loss"),
        (right["votes for the own class, left out"], "mean_knn_proba"),
        (right["accuracy, held out"], "validation_accuracy"),
    ):
        np.testing.assert_array_equal(drawn, [epoch[name] for epoch in history])
    taken = [k for k in display.axes_[0].get_lines() if k.get_label() == "taken"]
    assert list(taken[0].get_xdata()) == [model.n_epochs_] * 2


def test_without_held_out_rows_and_bank(matplotlib):
    display = LearningCurveDisplay.from_estimator(tiny(alpha=0).fit(X, Y)).plot()
    assert display.validation_loss is None
    assert np.isnan(display.knn_proba).all()
    assert set(lines(display.axes_[0])) == {"training, weighted", "taken"}


def test_others_have_no_history():
    knn = SoftKNNClassifier(3).fit(X.reshape(len(X), -1), Y)
    with pytest.raises(ValueError, match="no history of epochs. Pass a fitted Fine"):
        LearningCurveDisplay.from_estimator(knn)


def test_searches_without_a_last_fit_say_so():
    search = GridSearchCV(SoftKNNClassifier(3), {"tau": [0.1]}, cv=2, refit=False)
    search.fit(X.reshape(len(X), -1), Y)
    with pytest.raises(ValueError, match="refit=False left GridSearchCV without"):
        LearningCurveDisplay.from_estimator(search)
