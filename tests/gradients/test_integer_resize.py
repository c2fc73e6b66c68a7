"""Resizing by matrix products gives the bytes of torch's 8-bit resize on a CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from skknn.gradients.views import Frame, cut_windows
from skknn.gradients.views._integer_resize import integer_weights, resize

MODES = ["bilinear", "bicubic"]
SIZE = st.tuples(st.integers(1, 300), st.integers(1, 300))


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
def test_weights_have_16_bits_and_sum_to_one(mode):
    for n_in, n_out in [(112, 224), (500, 224), (4000, 3)]:
        weights, bits = integer_weights(n_in, n_out, mode)
        assert np.abs(weights).max() < 2**15
        np.testing.assert_allclose(weights.sum(1) / 2.0**bits, 1, atol=n_in / 2**bits)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_cuda_gives_the_same_bytes(mode):
    for before, after in [((112, 112), (224, 224)), ((600, 900), (224, 96))]:
        pixels, frame = picture(before, 0, True), Frame(after, interpolation=mode)
        found = frame.resize(pixels.cuda(), after).cpu()
        assert torch.equal(found, frame.resize(pixels, after))


@pytest.mark.gpu
def test_windows_on_cuda_are_those_of_the_cpu():
    frame, square = Frame((224, 224)), picture((224, 224), 0)
    on_cpu = frame.resize(cut_windows(square, 7), (224, 224))
    on_cuda = frame.resize(cut_windows(square.cuda(), 7), (224, 224))
    assert on_cuda.shape == (2, 49, 3, 224, 224)
    assert torch.equal(on_cuda.cpu(), on_cpu)
