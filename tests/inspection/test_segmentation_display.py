"""SegmentationDisplay: what it holds, and that it draws."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from skknn import DenseEmbedder, InContextSegmenter
from skknn.inspection import SegmentationDisplay

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    masks = np.zeros((3, 64, 64), np.uint8)
    for i, cut in enumerate((16, 32, 48)):
        masks[i, :, cut:] = 7
    masks[:, :8] = 255
    images = np.where(masks[..., None] == 7, 210, 40) + rng.integers(
        0, 30, (3, 64, 64, 3)
    )
    images = images.astype(np.uint8)
    embedder = DenseEmbedder("test_vit", weights=None, image_size=64, random_state=0)
    return InContextSegmenter(embedder, n_neighbors=5).fit(images, masks), images, masks


def test_from_estimator(fitted):
    segmenter, images, masks = fitted
    display = SegmentationDisplay.from_estimator(
        segmenter,
        images,
        masks,
        position=(20, 60),
        train_images=images,
        n_neighbors=3,
        class_names=["left", "right"],
    )
    np.testing.assert_array_equal(display.predictions, segmenter.predict(images))
    np.testing.assert_array_equal(display.masks, masks)
    # The training image is among the bank: the nearest row is the position itself.
    image, box, text = display.neighbors[0]
    np.testing.assert_array_equal(image, images[0])
    np.testing.assert_allclose(box, [0.25, 0.75, 0.5, 1.0])
    assert text == "right, cos 1.000"
    assert len(display.neighbors) == 3


def test_images_are_embedded_once(fitted, monkeypatch):
    segmenter, images, _ = fitted
    calls = []

    def transform(self, X):
        calls.append(len(X))
        return plain(self, X)

    plain = DenseEmbedder.transform
    monkeypatch.setattr(DenseEmbedder, "transform", transform)
    display = SegmentationDisplay.from_estimator(
        segmenter, images[:2], train_images=images, n_neighbors=9
    )
    assert calls == [2]
    # More than those that voted there are none.
    assert len(display.show_neighbors(3, 3)) == 5


def test_plot(fitted):
    import matplotlib.pyplot as plt

    segmenter, images, masks = fitted
    display = SegmentationDisplay.from_estimator(
        segmenter, images[:2], masks[:2], position=(20, 60), train_images=images
    ).plot()
    assert display.axes_.shape == (3, 4)
    assert [a.get_title() for a in display.axes_[0, :3]] == [
        "image",
        "truth",
        "prediction",
    ]
    truth = np.asarray(display.axes_[0, 1].images[0].get_array())
    assert (truth[:8] == 0).all()  # void is black
    assert len(np.unique(truth.reshape(-1, 3), axis=0)) == 3
    assert len(display.axes_[2, 0].patches) == 1
    display.figure_.canvas.draw()
    plain = SegmentationDisplay.from_estimator(segmenter, images[:1]).plot()
    assert plain.axes_.shape == (1, 2)
    plain.figure_.canvas.draw()
    _, ax = plt.subplots()
    assert plain.plot(ax).figure_ is ax.figure
    plt.close("all")


def test_positions_that_will_not_do(fitted):
    segmenter, images, _ = fitted
    with pytest.raises(ValueError, match="train_images"):
        SegmentationDisplay.from_estimator(segmenter, images[:1], position=(0, 0))
    with pytest.raises(ValueError, match=r"position=\(64, 0\) is outside"):
        SegmentationDisplay.from_estimator(
            segmenter, images[:1], position=(64, 0), train_images=images
        )


@pytest.mark.parametrize("one", ["photo.png", Path("photo.png")])
@pytest.mark.parametrize("name", ["images", "masks", "train_images"])
def test_a_single_path_is_told_to_be_put_into_a_list(fitted, name, one):
    segmenter, images, masks = fitted
    given = {"images": images, "masks": masks, "train_images": images} | {name: one}
    allowed = rf"{name}=.*photo\.png.* list: \[{name.removesuffix('s')}\]"
    with pytest.raises(TypeError, match=allowed):
        SegmentationDisplay.from_estimator(segmenter, **given)


def test_there_are_as_many_masks_as_images(fitted):
    segmenter, images, masks = fitted
    with pytest.raises(ValueError, match="3 images and 2 masks"):
        SegmentationDisplay.from_estimator(segmenter, images, masks[:2])


def test_show_neighbors(fitted):
    segmenter, images, masks = fitted
    made = {"train_images": images, "n_neighbors": 3}
    display = SegmentationDisplay.from_estimator(
        segmenter, images[:2], masks[:2], **made
    )
    assert display.position is None and display.neighbors is None
    shown = display.show_neighbors(20, 60, image=1)
    assert display.position == (20, 60) and display.neighbors is shown
    ids = segmenter.kneighbors(images[1:2], 3, return_distance=False)[0, 1, 3]
    bank = segmenter.bank_
    for (image, box, text), i in zip(shown, ids):
        np.testing.assert_array_equal(image, images[bank.images[i]])
        np.testing.assert_array_equal(box, bank.boxes[i])
        label = segmenter.classes_[bank.labels[[i]].toarray().argmax()]
        assert text.startswith(f"{label}, cos ")
    with pytest.raises(ValueError, match=r"position=\(0, 64\) is outside of image 1"):
        display.show_neighbors(0, 64, image=1)
    with pytest.raises(ValueError, match="image=2"):
        display.show_neighbors(0, 0, image=2)
    plain = SegmentationDisplay.from_estimator(segmenter, images[:1])
    with pytest.raises(ValueError, match="train_images"):
        plain.show_neighbors(0, 0)


def test_training_images_in_a_series_are_taken_by_their_place(fitted):
    pd = pytest.importorskip("pandas")
    segmenter, images, _ = fitted
    display = SegmentationDisplay.from_estimator(
        segmenter,
        images[:1],
        position=(20, 60),
        train_images=pd.Series(list(images), index=[2, 0, 1]),
    )
    np.testing.assert_array_equal(display.neighbors[0][0], images[0])


def test_a_click_on_a_prediction_shows_its_neighbours(fitted):
    from matplotlib.backend_bases import MouseEvent

    segmenter, images, masks = fitted
    made = {"train_images": images, "n_neighbors": 2}
    display = SegmentationDisplay.from_estimator(
        segmenter, images[:2], masks[:2], **made
    ).plot()
    figure = display.figure_
    figure.canvas.draw()
    assert not display.axes_[2, 0].images

    def click(axis, row, col):
        x, y = axis.transData.transform((col, row))
        event = MouseEvent("button_press_event", figure.canvas, x, y, button=1)
        figure.canvas.callbacks.process(event.name, event)
        figure.canvas.draw()

    click(display.axes_[1, 2], 20, 60)
    assert display.position == (20, 60)
    first = [text for _, _, text in display.neighbors]
    assert [a.get_title() for a in display.axes_[2, :2]] == first
    assert len(display.axes_[1, 0].lines) == 1 and not display.axes_[0, 0].lines
    click(display.axes_[0, 2], 40, 3)
    assert display.position == (40, 3)
    # The cross moves, and the old neighbours are gone.
    assert len(display.axes_[0, 0].lines) == 1 and not display.axes_[1, 0].lines
    assert len(display.axes_[2, 0].patches) == len(display.axes_[2, 0].images) == 1
    click(display.axes_[0, 0], 10, 10)  # the image itself
    assert display.position == (40, 3)
