"""BlockWeightsDisplay: data and picture."""

import os

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import BlockWeights, JointKNNClassifier, SoftKNNClassifier
from skknn.inspection import BlockWeightsDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

BLOCKS = {"petal": slice(2, 4), "noise": slice(4, 7), "se$pal": slice(0, 2)}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    X, y = load_iris(return_X_y=True)
    noise = np.random.default_rng(0).standard_normal((150, 3))
    return np.hstack([StandardScaler().fit_transform(X), noise]), y


@pytest.fixture(scope="module")
def fitted(data):
    return BlockWeights(blocks=BLOCKS).fit(*data)


def test_data_and_picture(fitted):
    display = BlockWeightsDisplay.from_estimator(fitted)
    assert display.block_names == list(BLOCKS)
    assert display.losses.tolist() == [step["loss"] for step in fitted.path_]
    assert display.weights[-1].tolist() == list(fitted.weights_.values())
    assert display.standard_errors[0] == 0 < display.standard_errors[1]
    assert display.changes[:2] == ["se$pal alone", "petal 0 → 2"]
    assert display.plot() is display
    display.figure_.canvas.draw()
    if folder := os.environ.get("SKKNN_PICTURES"):
        display.figure_.savefig(os.path.join(folder, "block_weights.png"), dpi=100)
    bars, path = display.axes_
    assert [bar.get_width() for bar in bars.patches] == list(fitted.weights_.values())
    assert "log loss" in path.get_xlabel()
    assert len(path.get_yticklabels()) == len(fitted.path_)


def test_axes_of_the_user_and_other_scores(data):
    one = BlockWeights(blocks=BLOCKS, weights=(0, 1), scoring="accuracy").fit(*data)
    _, axes = plt.subplots(2, 1)
    display = BlockWeightsDisplay.from_estimator(one).plot(axes)
    assert display.axes_[0] is axes[0]
    assert "share of errors" in axes[1].get_xlabel()


def test_inside_of_other_estimators(data, fitted):
    X, y = data
    block = BlockWeights(blocks=BLOCKS)
    pipe = make_pipeline(block, SoftKNNClassifier())
    joint = JointKNNClassifier(knn_transformer=block)
    search = GridSearchCV(pipe, {"softknnclassifier__k": [5]}, cv=2)
    for estimator in pipe, joint, search, make_pipeline(pipe):
        display = BlockWeightsDisplay.from_estimator(estimator.fit(X, y))
        np.testing.assert_array_equal(
            display.losses, [step["loss"] for step in fitted.path_]
        )


def test_nothing_to_show(data):
    with pytest.raises(ValueError, match="no weights of blocks"):
        BlockWeightsDisplay.from_estimator(SoftKNNClassifier().fit(*data))
