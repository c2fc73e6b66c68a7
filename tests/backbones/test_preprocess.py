"""The evaluation transform on a device gives the bytes of the threads'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode

from skknn.backbones import _preprocess
from skknn.backbones._preprocess import Preprocess

CONFIG = {
    "input_size": (3, 48, 48),
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "crop_pct": 0.875,
    "crop_mode": "center",
}


def noise(size, n=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *size, 3), dtype=np.uint8)


def in_threads(preprocess, pixels):
    return torch.stack([preprocess(Image.fromarray(image)) for image in pixels])


def on_device(preprocess, pixels):
    return preprocess.on_device(torch.from_numpy(pixels).permute(0, 3, 1, 2))


SETTINGS = st.fixed_dictionaries(
    {
        "input_size": st.sampled_from([(3, 48, 48), (3, 32, 56), (3, 1, 1)]),
        "interpolation": st.sampled_from(["bicubic", "bilinear", "nearest", "lanczos"]),
        "crop_pct": st.sampled_from([0.5, 0.875, 0.9, 0.95, 1.0]),
        "crop_mode": st.sampled_from(["center", "squash", "border"]),
    }
)


@given(
    changes=SETTINGS,
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    extreme=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_size_and_setting(changes, height, width, extreme):
    preprocess, size = Preprocess(CONFIG | changes), (height, width)
    pixels = noise(size, 2)
    if extreme:
        pixels = (pixels > 127).astype(np.uint8) * 255
    if preprocess.fits_device(size):
        found = on_device(preprocess, pixels)
        assert torch.equal(found, in_threads(preprocess, pixels))


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (20, 30), (48, 48), (64, 32)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_usual_sizes_fit(size, interpolation):
    preprocess = Preprocess(CONFIG | {"interpolation": interpolation})
    pixels = noise(size, 3)
    assert preprocess.fits_device(size)
    assert torch.equal(on_device(preprocess, pixels), in_threads(preprocess, pixels))


@pytest.mark.gpu
@pytest.mark.parametrize("size", [(375, 500), (500, 375), (900, 1100), (20, 30)])
def test_cuda_transforms_to_the_same_bytes(size):
    preprocess, pixels = Preprocess(CONFIG), noise(size, 3)
    found = preprocess.on_device(torch.from_numpy(pixels).cuda().permute(0, 3, 1, 2))
    assert torch.equal(found.cpu(), in_threads(preprocess, pixels))


@pytest.mark.parametrize(
    "size, changes",
    [
        ((20_000, 10), {}),  # only the crop is resized
        ((10, 200_000), {}),
        ((100, 40), {}),  # Pillow begins with the height
        ((50, 50), {"interpolation": "lanczos"}),
        ((50, 50), {"crop_mode": "squash", "input_size": (3, 48, 40)}),
        # The crop is padded: it is wider than what it is cut from.
        ((50, 50), {"input_size": (3, 32, 64), "crop_mode": "center"}),
    ],
)
def test_what_is_left_to_the_threads(size, changes):
    assert not Preprocess(CONFIG | changes).fits_device(size)


def test_another_pillow_stays_in_charge(monkeypatch):
    _preprocess._agrees_with_pillow.cache_clear()
    filters = {mode: Image.Resampling.BOX for mode in InterpolationMode}
    monkeypatch.setattr(_preprocess, "_PIL_FILTER", filters)
    try:
        assert not Preprocess(CONFIG).fits_device((50, 50))
    finally:
        _preprocess._agrees_with_pillow.cache_clear()
