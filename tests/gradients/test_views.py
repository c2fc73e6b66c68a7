"""Crops and windows against PIL and explicit geometry."""

import numpy as np
import pytest
import torch
from fungi_references import noise_images
from PIL import Image

from skknn import DINOObjective, SimCLRObjective
from skknn.gradients._random import generator
from skknn.gradients.views import Frame, cut_windows, draw_boxes, window_side


def test_boxes_have_the_area_and_aspect_asked_for():
    boxes = draw_boxes(generator(0), 500, (0.05, 0.25))
    assert (boxes >= 0).all() and (boxes <= 1).all()
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    area, aspect = width * height, width / height
    assert 0.05 <= area.min() < 0.06 and 0.24 < area.max() <= 0.25
    assert 3 / 4 <= aspect.min() < 0.77 and 1.31 < aspect.max() <= 4 / 3
    assert abs(np.log(aspect).mean()) < 0.03
    whole = draw_boxes(generator(0), 5, (1.0, 1.0))
    np.testing.assert_allclose(whole, [[0, 0, 1, 1]] * 5, atol=1e-12)


def test_crops_are_cut_then_resized():
    (image,) = noise_images(1, shape=(101, 67))
    frame = Frame((32, 24))
    box = np.array([0.2, 0.1, 0.7, 0.8])
    view = frame.crops(frame.pixels(image), [box], (32, 24))[0]
    part = image.crop((20, 7, 71, 54))
    expected = np.asarray(part.resize((24, 32), Image.Resampling.BICUBIC))
    difference = view.permute(1, 2, 0).numpy().astype(int) - expected
    assert np.abs(difference).max() <= 2


def test_dino_views_are_the_same_boxes_for_every_image():
    objective, frame = DINOObjective(n_local=3), Frame((32, 32), (16, 16))
    drawn = objective.draw(generator(0, "views"))
    for image in noise_images(2):
        large, small = objective.views(image, frame, drawn)
        assert large.shape == (2, 3, 32, 32) and small.shape == (3, 3, 16, 16)
    np.testing.assert_equal(drawn, objective.draw(generator(0, "views")))


def test_windows_of_the_paper():
    frame = Frame((224, 224))
    (image,) = noise_images(1)
    objective = SimCLRObjective()
    square = objective.views(image, frame, None)
    assert square.shape == (1, 3, 224, 224)
    windows = cut_windows(square[0], 7)
    assert windows.shape == (49, 3, 112, 112)
    for k, (row, column) in enumerate(np.ndindex(7, 7)):
        top, left = 18 * row, 18 * column
        expected = square[0, :, top : top + 112, left : left + 112]
        assert (windows[k] == expected).all()
    (views,) = objective.expand(square[None], frame)
    assert views.shape == (49, 3, 224, 224)
    one = Image.fromarray(windows[5].permute(1, 2, 0).contiguous().numpy())
    expected = np.asarray(one.resize((224, 224), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(views[5].permute(1, 2, 0).numpy() - expected).max() <= 2


def test_windows_of_several_images():
    objective, frame = SimCLRObjective(n_views=9), Frame((64, 48), (32, 24))
    squares = [objective.views(image, frame, None) for image in noise_images(3)]
    together = objective.expand(torch.stack(squares), frame)
    assert together.shape == (3, 9, 3, 32, 24)
    for square, views in zip(squares, together):
        assert torch.equal(objective.expand(square[None], frame)[0], views)


@pytest.mark.parametrize("n_views", [16, 25])
def test_fewer_windows_reach_the_edges(n_views):
    pixels = Frame((224, 224)).pixels(Image.new("RGB", (224, 224)))
    windows = cut_windows(pixels, window_side(n_views))
    assert windows.shape == (n_views, 3, 112, 112)


def test_what_does_not_fit_is_refused():
    for n_views in (2, 5, 50):
        with pytest.raises(ValueError, match="must be a square number"):
            window_side(n_views)
    with pytest.raises(ValueError, match="too small for a grid of 7 x 7"):
        cut_windows(Frame((8, 8)).pixels(Image.new("RGB", (8, 8))), 7)
    with pytest.raises(ValueError, match=r"global_scale=\(0.5, 2\) must be"):
        DINOObjective(global_scale=(0.5, 2)).draw(generator(0))


def test_the_smallest_image():
    frame = Frame((16, 16))
    pixels = frame.pixels(Image.new("RGB", (1, 1), (10, 20, 30)))
    views = frame.crops(pixels, draw_boxes(generator(0), 3, (0.05, 0.25)), (16, 16))
    assert (views == frame.resize(pixels[None], (16, 16))).all()
