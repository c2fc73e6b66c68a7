"""Sounds of every form: files, pairs, arrays; rates, channels, and what is none."""

import io
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import wavfile

from skknn.modalities import BadItemError, BadSoundError, Sound, as_sounds, resampled

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)).astype(np.float32)


def samples_of(*items):
    source = as_sounds(list(items))
    return [source.item(row) for row in range(len(source))]


def files_in(folder):
    """The same tone in every kind of file."""
    soundfile = pytest.importorskip("soundfile")
    found = {}
    for kind in ("wav", "flac", "ogg", "mp3", "aiff"):
        found[kind] = folder / f"tone.{kind}"
        soundfile.write(found[kind], TONE, RATE)
    return found


def test_files_of_all_kinds(tmp_path):
    for kind, file in files_in(tmp_path).items():
        path, text, data = samples_of(file, str(file), file.read_bytes())
        assert path.rate == text.rate == data.rate == RATE
        assert_array_equal(path.samples, text.samples)
        assert_array_equal(path.samples, data.samples)
        assert path.samples.dtype == np.float32 and path.samples.ndim == 1
        # What OGG and MP3 lose, and how they begin and end, is theirs.
        tolerance = {"ogg": 0.1, "mp3": 0.1}.get(kind, 1e-4)
        middle = slice(1000, 3000)
        if kind != "mp3":
            assert len(path.samples) == len(TONE)
            assert np.abs(path.samples - TONE)[middle].max() < tolerance
        power = np.abs(np.fft.rfft(path.samples[: len(TONE)]))
        assert abs(power.argmax() * RATE / len(TONE) - 440) < 4


def test_files_with_channels_and_other_widths(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    right = TONE[::-1].copy()
    for subtype, tolerance in [
        ("PCM_U8", 1e-2),
        ("PCM_16", 1e-4),
        ("PCM_24", 1e-6),
        ("FLOAT", 0),
    ]:
        soundfile.write(tmp_path / "two.wav", np.c_[TONE, right], RATE, subtype)
        (sound,) = samples_of(tmp_path / "two.wav")
        assert_allclose(sound.samples, (TONE + right) / 2, atol=tolerance + 1e-7)


def test_pairs_in_both_orders_and_dicts(tmp_path):
    wavfile.write(tmp_path / "tone.wav", RATE, (TONE * 2**15).astype(np.int16))
    rate, pcm = wavfile.read(tmp_path / "tone.wav")
    forms = [
        (TONE, RATE),
        (RATE, TONE),
        [TONE, float(RATE)],
        (TONE.tolist(), np.int64(RATE)),
        {"array": TONE, "sampling_rate": RATE, "path": None},
        (torch.from_numpy(TONE), RATE),
        (rate, pcm),
    ]
    for sound in samples_of(*forms):
        assert sound.rate == RATE
        assert_allclose(sound.samples, TONE, atol=1e-4)


def test_arrays_are_at_the_backbones_rate():
    for sound in samples_of(TONE, torch.from_numpy(TONE), TONE.tolist()):
        assert sound.rate is None
        assert_array_equal(sound.samples, TONE)
    double = samples_of(TONE.astype(np.float64), TONE.astype(np.float16))
    assert_array_equal(double[0].samples, TONE)
    assert_allclose(double[1].samples, TONE, atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32"])
def test_whole_numbers_are_pcm(dtype):
    info = np.iinfo(dtype)
    half = 2.0 ** (info.bits - 1)
    silence = half if info.min == 0 else 0
    pcm = np.clip(TONE * half + silence, info.min, info.max).astype(dtype)
    (sound,) = samples_of((pcm, RATE))
    assert_allclose(sound.samples, TONE, atol=1.1 / half + 1e-7)
    extremes = np.array([info.min, info.max], dtype=dtype)
    (sound,) = samples_of((extremes, RATE))
    assert sound.samples[0] == -1 and 0.99 < sound.samples[1] <= 1


def test_channels_are_averaged_whichever_axis_they_are():
    other = np.roll(TONE, 7)
    for array in (np.c_[TONE, other], np.stack([TONE, other])):
        (sound,) = samples_of((array, RATE))
        assert_allclose(sound.samples, (TONE + other) / 2, atol=1e-7)
    (sound,) = samples_of((TONE[:, None], RATE))
    assert_array_equal(sound.samples, TONE)


def test_containers(tmp_path):
    (file, *_) = files_in(tmp_path).values()
    column = [str(file)] * 3
    for X in (
        column,
        tuple(column),
        np.array(column),
        pd.Series(column, index=[5, 2, 9]),
        pd.DataFrame({"file": column}),
        np.array(column, dtype=object)[:, None],
    ):
        source = as_sounds(X)
        assert len(source) == 3 and source.unit == "sound"
        assert_array_equal(source.item(2).samples, source.item(0).samples)
    rows = np.tile(TONE, (4, 1))
    for X in (rows, torch.from_numpy(rows), (rows * 2**15).astype(np.int16)):
        assert len(as_sounds(X)) == 4
        assert_allclose(as_sounds(X).item(3).samples, TONE, atol=1e-4)


def test_single_sounds_and_no_columns():
    for X in (TONE, (TONE, RATE), torch.from_numpy(TONE)):
        with pytest.raises(ValueError, match=r"single sound. Pass a list"):
            as_sounds(X)
    with pytest.raises(ValueError, match="single sound"):
        as_sounds("tone.wav")
    with pytest.raises(ValueError, match="0 sample"):
        as_sounds([])
    with pytest.raises(ValueError, match="0 sample"):
        as_sounds(np.zeros((0, 100)))
    with pytest.raises(TypeError, match="no column"):
        as_sounds({"a": TONE})
    with pytest.raises(ValueError, match="masked"):
        as_sounds(np.ma.masked_array([[1.0, 2.0]]))


BAD = {
    "empty array": (np.zeros(0), "no samples"),
    "NaN": (np.array([0.0, np.nan]), "NaN or infinite"),
    "infinite": ((np.array([0.0, np.inf]), RATE), "NaN or infinite"),
    "too large": (np.array([0.0, 1e300]), "float32"),
    "complex": (np.ones(9, complex), "complex128 are no real"),
    "bool": (np.ones(9, bool), "bool are no real"),
    "texts": (np.array(["a", "b"]), "no real numbers"),
    "image": (np.zeros((64, 64)), r"shape \(64, 64\) is no sound"),
    "3-D": (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\) is no sound"),
    "scalar": (np.float64(0.5), "it is a number"),
    "number": (16000, "it is a number"),
    "None": (None, "missing"),
    "nan": (float("nan"), "missing"),
    "pd.NA": (pd.NA, "missing"),
    "no rate": ((TONE, 0), "rate is 0"),
    "negative": ((TONE, -8000), "rate is -8000"),
    "fraction": ((TONE, 8000.5), "8000.5"),
    "nan rate": ((TONE, float("nan")), "rate is nan"),
    "missing rate": ((TONE, None), "rate is None"),
    "rate as text": ((TONE, "16000"), "rate is '16000'"),
    "bool rate": ((TONE, True), "rate is True"),
    "huge rate": ((TONE, 10**9), "from 100 to 1000000"),
    "dict": ({"samples": TONE}, "'array' and 'sampling_rate'"),
    "object": (object(), "is no path, array or pair"),
    "no file": ("nothing/here.wav", "no such file"),
    "web": ("https://example.org/a.wav", "download it first"),
    "folder": (".", "it is a directory. List its files"),
    "empty path": ("", "empty path"),
    "no sound": (b"RIFF and then nothing", "no sound file that libsndfile reads"),
    "ragged": ([[0.0, 1.0], [2.0], [3.0]], "no one shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_sound_names_row_and_remedy(name):
    if name == "no sound":
        pytest.importorskip("soundfile")
    item, message = BAD[name]
    source = as_sounds([TONE, TONE, item])
    with pytest.raises(BadSoundError, match=message) as caught:
        source.item(2)
    error = caught.value
    assert isinstance(error, BadItemError) and error.row == 2
    assert "row 2" in str(error) and "on_error='nan'" in str(error)
    # Part of another whole, the number is that of the whole.
    with pytest.raises(BadSoundError, match="row 2"):
        source.rows([2, 0]).item(0)


def test_a_file_that_ends_early(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    data = io.BytesIO()
    soundfile.write(data, TONE, RATE, format="FLAC")
    file = tmp_path / "cut.flac"
    file.write_bytes(data.getvalue()[:60])
    with pytest.raises(BadSoundError, match="row 0.*cut.flac"):
        as_sounds([file]).item(0)
    file.write_bytes(b"")
    with pytest.raises(BadSoundError, match="empty"):
        as_sounds([file]).item(0)


def test_far_too_long_files_are_not_decoded(tmp_path, monkeypatch):
    from skknn.modalities import _sound_file, _sounds

    files = files_in(tmp_path)
    monkeypatch.setattr(_sound_file, "MAX_SAMPLES", 1000)
    for item in (files["flac"], files["ogg"], (TONE, RATE)):
        with pytest.raises(BadSoundError, match="more than the 1000"):
            as_sounds([item]).item(0)
    monkeypatch.setattr(_sounds, "_MAX_BYTES", 100)
    with pytest.raises(BadSoundError, match="more than the 100"):
        as_sounds([files["wav"]]).fetch(0)


def test_without_soundfile_arrays_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    source = as_sounds([(TONE, RATE), b"any bytes"])
    assert_array_equal(source.item(0).samples, TONE)
    with pytest.raises(ModuleNotFoundError, match=r"skknn\[audio\]"):
        source.item(1)


def test_digests(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    items = [
        file,
        (TONE, RATE),
        (TONE, 2 * RATE),
        TONE,
        TONE.astype(np.float64),
        TONE[::-1],
        TONE.reshape(2, -1),
    ]
    source = as_sounds(items)
    digests = [source.fetch(row).digest() for row in range(len(items))]
    assert len(set(digests)) == len(items)
    assert {len(digest) for digest in digests} == {20}
    again = pickle.loads(pickle.dumps(source)).part(0, len(items))
    assert [again.fetch(row).digest() for row in range(len(items))] == digests
    assert source.fetch(1).n_bytes == TONE.nbytes
    file.write_bytes(b"two")
    assert source.fetch(0).digest() != digests[0]


def test_parts_find_files_from_elsewhere(tmp_path, monkeypatch):
    files_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    source = as_sounds(["tone.wav", TONE])
    part, rest = source.part(0, 1), source.part(1, 2)
    monkeypatch.chdir("/")
    assert part.item(0).rate == RATE
    assert_array_equal(rest.item(0).samples, TONE)


@pytest.mark.parametrize("rate", [4000, 7999, 8000, 11025, 16000, 44100])
def test_resampling_keeps_low_notes_and_drops_high_ones(rate):
    def note(frequency, rate):
        return np.sin(2 * np.pi * frequency * np.arange(rate) / rate)

    for frequency in (300.0, 3100.0):
        sound = Sound(note(frequency, RATE).astype(np.float32), RATE)
        found = resampled(sound, rate)
        assert found.dtype == np.float32 and abs(len(found) - rate) <= 1
        middle = slice(rate // 10, rate - rate // 10)
        wanted = note(frequency, rate) * (frequency < rate / 2)
        assert np.abs(found[middle] - wanted[: len(found)][middle]).max() < 0.02
    assert resampled(Sound(TONE, None), rate) is TONE
