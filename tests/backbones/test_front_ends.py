"""Front ends against transformers' own, and windows of long and short sounds."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skknn.backbones._front_ends import FbankFrontEnd, RawFrontEnd, SpeakerFrontEnd
from skknn.backbones._mel import (
    kaldi_filters,
    kaldi_power,
    slaney_filters,
    slaney_power,
)
from skknn.modalities import Sound

RATE = 16_000
ALL = {"full": False, "max_windows": 9}


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


def audio_utils():
    return pytest.importorskip("transformers.audio_utils")


def kaldi_triangles(bands):
    """Kaldi's definition, number by number."""

    def mel(frequency):
        return 1127 * math.log(1 + frequency / 700)

    low, high = mel(20), mel(RATE / 2)
    step = (high - low) / (bands + 1)
    filters = np.zeros((257, bands))
    for band in range(bands):
        left, peak, right = (low + (band + i) * step for i in range(3))
        for place in range(257):
            here = mel(place * RATE / 512)
            if left < here <= peak:
                filters[place, band] = (here - left) / (peak - left)
            elif peak < here < right:
                filters[place, band] = (right - here) / (right - peak)
    return filters


@pytest.mark.parametrize("bands", [24, 128])
def test_kaldis_bands(bands):
    """Against plain loops, and the powers against transformers' own."""
    utils, filters = audio_utils(), kaldi_triangles(bands)
    assert_allclose(kaldi_filters(RATE, bands), filters, atol=1e-12)
    samples = noise(7321)
    wanted = utils.spectrogram(
        samples,
        utils.window_function(400, "hann", periodic=False),
        400,
        160,
        512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        mel_floor=0.0,
        remove_dc_offset=True,
    )
    found = kaldi_power(samples, RATE, kaldi_filters(RATE, bands))
    assert found.shape == (1 + (7321 - 400) // 160, bands)
    assert_allclose(found, wanted.T, rtol=1e-4, atol=1e-6)


def test_slaneys_bands_are_those_of_transformers():
    utils = audio_utils()
    filters = utils.mel_filter_bank(201, 40, 0, 8000, RATE, "slaney", "slaney")
    assert_allclose(slaney_filters(RATE, 40), filters, atol=1e-12)
    samples = noise(7321)
    wanted = utils.spectrogram(
        samples,
        utils.window_function(400, "hann"),
        400,
        160,
        400,
        power=2.0,
        pad_mode="constant",
        mel_filters=filters,
        mel_floor=0.0,
    )
    found = slaney_power(samples, RATE, slaney_filters(RATE, 40))
    assert found.shape == (1 + 7321 // 160, 40)
    assert_allclose(found, wanted.T, rtol=1e-4, atol=1e-7)


def test_ast_gets_what_its_feature_extractor_gives():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=64, max_length=100)
    ours = FbankFrontEnd(
        RATE, 64, extractor.mean, extractor.std, length=100, full=True, max_windows=9
    )
    for n in (1, 399, 5000, 16_240):
        samples = noise(n)
        (found,), whole = ours(Sound(samples, RATE))
        assert whole and found.dtype == np.float32
        if n >= 400:
            (wanted,) = extractor(samples, RATE, return_tensors="np")["input_values"]
            assert_allclose(found, wanted, atol=1e-4)
        assert found.shape == (100, 64) and np.isfinite(found).all()


def test_samples_are_standardised_as_by_wav2vec2():
    transformers = pytest.importorskip("transformers")
    samples = 0.3 + noise(3000)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    wanted = extractor(samples, sampling_rate=RATE)["input_values"][0]
    ours = RawFrontEnd(RATE, True, 400, length=8000, **ALL)
    (found,), _ = ours(Sound(samples, RATE))
    assert_allclose(found, wanted, atol=1e-5)
    plain = RawFrontEnd(RATE, False, 400, length=8000, **ALL)
    assert_array_equal(plain(Sound(samples, RATE))[0][0], samples)


def test_speech_is_raised_to_a_level_and_never_lowered():
    front_end = SpeakerFrontEnd(length=160, **ALL)
    quiet, loud = noise(8000) * 1e-3, noise(8000)
    (of_quiet,), _ = front_end(Sound(quiet, RATE))
    (of_loud,), _ = front_end(Sound(loud, RATE))
    level = 10 ** (-30 / 20)
    factor = level / np.sqrt(np.mean(quiet.astype(float) ** 2))
    filters = slaney_filters(RATE, 40)
    assert_allclose(of_quiet, slaney_power(factor * quiet, RATE, filters), rtol=1e-4)
    assert_allclose(of_loud, slaney_power(loud, RATE, filters), rtol=1e-5)


@pytest.mark.parametrize(
    "n, starts, whole",
    [
        (1, [0], True),
        (1000, [0], True),
        (1001, [0, 1], True),
        (2500, [0, 750, 1500], True),
        (3000, [0, 1000, 2000], True),
        (3001, [0, 1000, 2001], False),
        (9000, [0, 4000, 8000], False),
    ],
)
def test_windows_of_equal_length_from_beginning_to_end(n, starts, whole):
    front_end = RawFrontEnd(RATE, False, 1, length=1000, full=False, max_windows=3)
    samples = noise(n)
    windows, found_whole = front_end(Sound(samples, RATE))
    assert found_whole == whole and len(windows) == len(starts)
    for window, start in zip(windows, starts):
        assert_array_equal(window, samples[start : start + 1000])


@pytest.mark.parametrize(
    "front_end",
    [
        FbankFrontEnd(RATE, 32, -4.0, 4.0, length=50, **ALL),
        SpeakerFrontEnd(length=50, **ALL),
        RawFrontEnd(RATE, True, 400, length=8000, **ALL),
    ],
)
def test_silence_and_single_samples(front_end):
    for samples in (np.zeros(9000), np.zeros(1), np.ones(1), np.full(9000, 0.25)):
        windows, _ = front_end(Sound(samples.astype(np.float32), RATE))
        assert np.isfinite(windows).all() and windows.size
        # At another rate, too.
        windows, _ = front_end(Sound(samples.astype(np.float32), 44_100))
        assert np.isfinite(windows).all() and windows.size


def test_what_can_be_written_down_tells_front_ends_apart():
    found = [
        FbankFrontEnd(RATE, 32, -4.0, 4.0, length=50, **ALL),
        FbankFrontEnd(RATE, 33, -4.0, 4.0, length=50, **ALL),
        FbankFrontEnd(RATE, 32, -4.1, 4.0, length=50, **ALL),
        FbankFrontEnd(RATE, 32, -4.0, 4.0, length=51, **ALL),
        FbankFrontEnd(8000, 32, -4.0, 4.0, length=50, **ALL),
        RawFrontEnd(RATE, True, 400, length=50, **ALL),
        RawFrontEnd(RATE, False, 400, length=50, **ALL),
        SpeakerFrontEnd(length=50, **ALL),
        SpeakerFrontEnd(length=50, full=True, max_windows=9),
    ]
    assert len({repr(each.identity()) for each in found}) == len(found)
