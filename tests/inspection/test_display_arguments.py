"""Displays: what cannot be shown is refused in words, and any name is drawn."""

import numpy as np
import pytest

from skknn import JointKNNClassifier
from skknn.inspection import HardExamplesDisplay, LabelAudit, NeighborsDisplay

pytest.importorskip("matplotlib").use("Agg")

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3
IMAGES = [np.zeros((4, 4))] * 30


@pytest.fixture(scope="module")
def model():
    return JointKNNClassifier(3).fit(X, Y)


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_less_than_one_is_not_shown(model, number):
    error = f"={number} must be a whole number, 1 or more"
    with pytest.raises(ValueError, match=f"n_neighbors{error}"):
        NeighborsDisplay.from_estimator(model, X[0], n_neighbors=number)
    with pytest.raises(ValueError, match=f"n_classes{error}"):
        NeighborsDisplay.from_estimator(model, X[0]).plot(n_classes=number)
    with pytest.raises(ValueError, match=f"n_examples{error}"):
        HardExamplesDisplay.from_estimator(model, n_examples=number)
    with pytest.raises(ValueError, match=f"n_columns{error}"):
        HardExamplesDisplay.from_estimator(model).plot(n_columns=number)


def test_one_image_and_label_a_training_row(model):
    error = "has 29 entries for 30 training rows"
    with pytest.raises(ValueError, match=f"images {error}"):
        NeighborsDisplay.from_estimator(model, X[0], images=IMAGES[:29])
    with pytest.raises(ValueError, match=f"images {error}"):
        HardExamplesDisplay.from_estimator(model, images=IMAGES[:29])
    with pytest.raises(ValueError, match=f"y {error}"):
        HardExamplesDisplay.from_estimator(model, y=Y[:29])


@pytest.mark.parametrize("images", [None, IMAGES])
def test_names_that_are_no_utf8_are_drawn(model, images, tmp_path):
    names = ["bad\udcff", "b", "c"]
    shown = (
        NeighborsDisplay.from_estimator(
            model, X[0], images=images, class_names=names, query_image=IMAGES[0]
        ),
        HardExamplesDisplay.from_estimator(
            LabelAudit().fit(X, Y), images=images, class_names=names
        ),
    )
    for number, display in enumerate(shown):
        display.plot().figure_.savefig(tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size


def test_files_of_an_audit_are_one_a_row():
    with pytest.raises(ValueError, match=r"files is an array of shape \(30, 2\)"):
        LabelAudit().fit(X, Y, files=np.empty((30, 2), dtype=object))
    with pytest.raises(ValueError, match=r"parts is an array of shape \(\)"):
        LabelAudit().fit(X, Y, parts="train")


@pytest.mark.parametrize("other", [3, -1, "none"])
def test_labels_that_fit_did_not_see_are_refused(model, other):
    y = Y.astype(object)
    y[4] = other
    error = f"y has labels .* such as {other!r}; it knows"
    with pytest.raises(ValueError, match=error):
        HardExamplesDisplay.from_estimator(model, y=y)


def test_titles_of_long_names_do_not_overlap():
    names = [f"Amanita muscaria var. formosa {name}" for name in ("a", "b", "c")]
    audit = LabelAudit(5).fit(X, np.array(names)[Y])
    display = HardExamplesDisplay.from_estimator(audit, images=IMAGES).plot()
    display.figure_.draw_without_rendering()
    titles = [axis.title.get_window_extent() for axis in display.axes_]
    width = display.figure_.bbox.width
    assert all(0 <= title.x0 and title.x1 <= width for title in titles)
    row = titles[:5]
    assert all(left.x1 <= right.x0 for left, right in zip(row, row[1:]))
    assert titles[0].y0 > titles[5].y1
    text = display.axes_[0].get_title()
    assert display.labels[0][-5:] in text and display.suggested[0][-5:] in text
