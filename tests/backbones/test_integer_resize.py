"""Resizing by matrix products gives the bytes of torch and of Pillow on a CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from skknn.backbones import _integer_resize
from skknn.backbones._integer_resize import (
    PILLOW,
    TORCH,
    integer_weights,
    resize_boxes,
)
from skknn.gradients.views import Frame, cut_windows, draw_boxes

MODES = ["bilinear", "bicubic"]
SIZE = st.tuples(st.integers(1, 300), st.integers(1, 300))
FILTER = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(size, seed, extreme=False):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(
        0, 256, (2, 3, *size), dtype=torch.uint8, generator=generator
    )
    # Black and white alone overshoot most.
    return (pixels > 127).to(torch.uint8) * 255 if extreme else pixels


def of_torch(pixels, size, mode):
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    return interpolate(pixels, size=size, mode=mode, antialias=True)


def of_pillow(pixels, size, mode, box):
    """Pillow's bytes of each image, (n, 3, height, width)."""
    found = []
    for image in pixels:
        image = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        image = image.crop(box).resize(size[::-1], FILTER[mode])
        found.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return torch.stack(found)


def resize(pixels, size, mode, arithmetic=TORCH):
    whole = (0, 0, pixels.shape[-1], pixels.shape[-2])
    return resize_boxes(pixels, (whole,), size, mode, arithmetic)[:, 0]


@given(
    before=SIZE,
    after=SIZE,
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 1000),
    extreme=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_size(before, after, mode, seed, extreme):
    pixels = picture(before, seed, extreme)
    assert torch.equal(resize(pixels, after, mode), of_torch(pixels, after, mode))


@given(
    width=st.integers(1, 200),
    ratio=st.floats(0.1, 2.0),
    factor=st.floats(0.05, 3.0),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 1000),
    extreme=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_size_by_pillow(width, ratio, factor, mode, seed, extreme):
    # Images that become smaller and are taller than that Pillow resizes (from 13 on)
    # along the height first.
    before = max(1, int(ratio * width)), width
    after = tuple(max(1, round(factor * length)) for length in before)
    pixels, whole = picture(before, seed, extreme), (0, 0, width, before[0])
    found = resize(pixels, after, mode, PILLOW)
    assert torch.equal(found, of_pillow(pixels, after, mode, whole))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "before, after",
    [
        ((112, 112), (224, 224)),  # SimCLR's windows
        ((192, 256), (224, 224)),  # crops of DINO
        ((37, 51), (384, 384)),
        ((3000, 40), (17, 224)),  # strong reductions
        ((2000, 1500), (8, 3)),
        ((1, 1), (224, 224)),
        ((5, 7), (5, 7)),
        ((5, 7), (5, 14)),
    ],
)
def test_sizes_that_occur(before, after, mode):
    for extreme in (False, True):
        pixels = picture(before, 0, extreme)
        found = resize(pixels, after, mode)
        assert found.dtype is torch.uint8
        assert torch.equal(found, of_torch(pixels, after, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at_once", [1, 2**29])
def test_many_boxes_are_what_each_is_alone(mode, at_once, monkeypatch):
    monkeypatch.setattr(_integer_resize, "_AT_ONCE", at_once)
    pixels = picture((61, 97), 0, True)
    boxes = (0, 0, 97, 61), (3, 5, 60, 61), (90, 60, 97, 61), (10, 10, 11, 11)
    found = resize_boxes(pixels, boxes, (32, 40), mode, TORCH)
    assert found.shape == (2, 4, 3, 32, 40)
    for k, (left, top, right, bottom) in enumerate(boxes):
        part = pixels[..., top:bottom, left:right]
        assert torch.equal(found[:, k], of_torch(part, (32, 40), mode))


@pytest.mark.parametrize("arithmetic", [TORCH, PILLOW])
def test_a_window_is_cut_out_of_the_whole(arithmetic):
    pixels, boxes = picture((75, 100), 0), ((0, 0, 100, 75), (5, 5, 70, 60))
    whole = resize_boxes(pixels, boxes, (48, 64), "bicubic", arithmetic)
    window = (9, 4, 41, 36)
    found = resize_boxes(pixels, boxes, (48, 64), "bicubic", arithmetic, window)
    assert torch.equal(found, whole[..., 4:36, 9:41])


@pytest.mark.parametrize("mode", MODES)
def test_weights_have_16_bits_and_sum_to_one(mode):
    for n_in, n_out in [(112, 224), (500, 224), (4000, 3)]:
        _, weights, bits = integer_weights(((7, 7 + n_in),), n_out, mode, TORCH)
        assert np.abs(weights).max() < 2**15
        sums = weights.sum(2) / 2.0 ** bits[:, None]
        np.testing.assert_allclose(sums, 1, atol=n_in / 2.0 ** bits[0])


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_cuda_gives_the_same_bytes(mode):
    boxes = draw_boxes(np.random.default_rng(0), 12, (0.05, 1.0))
    for before, after in [((112, 112), (224, 224)), ((600, 900), (224, 96))]:
        pixels, frame = picture(before, 0, True), Frame(after, interpolation=mode)
        found = frame.resize(pixels.cuda(), after).cpu()
        assert torch.equal(found, frame.resize(pixels, after))
        found = frame.crops(pixels.cuda(), boxes, after).cpu()
        assert torch.equal(found, frame.crops(pixels, boxes, after))
        found = resize(pixels.cuda(), after, mode, PILLOW).cpu()
        assert torch.equal(found, resize(pixels, after, mode, PILLOW))


@pytest.mark.gpu
def test_windows_on_cuda_are_those_of_the_cpu():
    frame, square = Frame((224, 224)), picture((224, 224), 0)
    on_cpu = frame.resize(cut_windows(square, 7), (224, 224))
    on_cuda = frame.resize(cut_windows(square.cuda(), 7), (224, 224))
    assert on_cuda.shape == (2, 49, 3, 224, 224)
    assert torch.equal(on_cuda.cpu(), on_cpu)
