"""What NeighborsDisplay draws does not overlap, however long names of classes are."""

import itertools

import numpy as np
import pytest

from skknn import JointKNNClassifier, SoftKNNClassifier
from skknn.inspection import NeighborsDisplay

pytest.importorskip("matplotlib").use("Agg")

NAMES = ["shoes", "winter coats, second hand and new", "accessories, small parts"]


@pytest.fixture(params=[SoftKNNClassifier, JointKNNClassifier])
def display(request):
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    X = rng.normal(size=(60, 4)) + 2 * np.eye(4)[codes]
    y = np.array(NAMES)[codes]
    images = list(rng.integers(0, 255, (60, 30, 40, 3), dtype=np.uint8))
    clf = request.param(9).fit(X, y)

    def draw(with_images, **kwargs):
        pictures = {"images": images, "query_image": images[1]} if with_images else {}
        shown = NeighborsDisplay.from_estimator(
            clf, X[1], true_label=y[1], **pictures
        ).plot(**kwargs)
        shown.figure_.canvas.draw()
        return shown

    return draw


@pytest.mark.parametrize("with_images", [True, False])
@pytest.mark.parametrize("n_classes", [1, 3])
def test_texts_do_not_overlap_each_other_or_bars(display, with_images, n_classes):
    shown = display(with_images, n_classes=n_classes)
    renderer = shown.figure_.canvas.get_renderer()
    texts = [axis.title for axis in shown.axes_]
    texts += [label for axis in shown.axes_ for label in axis.get_yticklabels()]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    legends = [axis.get_legend() for axis in shown.axes_ if axis.get_legend()]
    boxes += [legend.get_window_extent(renderer) for legend in legends]
    boxes += [
        patch.get_window_extent(renderer)
        for axis in shown.axes_
        for patch in axis.patches
        if patch.get_width() > 0
    ]
    for one, other in itertools.combinations(boxes, 2):
        # Half a pixel, to which texts are drawn.
        low = np.maximum(one.min, other.min) + 0.5
        assert not (low < np.minimum(one.max, other.max)).all()


@pytest.mark.parametrize("with_images", [True, False])
def test_all_texts_are_within_the_figure(display, with_images):
    shown = display(with_images)
    renderer = shown.figure_.canvas.get_renderer()
    width, height = shown.figure_.canvas.get_width_height()
    for axis in shown.axes_:
        for text in [axis.title, *axis.get_yticklabels(), axis.xaxis.label]:
            box = text.get_window_extent(renderer)
            assert box.width == 0 or (box.min > -1).all()
            assert box.width == 0 or (box.max < (width + 1, height + 1)).all()
