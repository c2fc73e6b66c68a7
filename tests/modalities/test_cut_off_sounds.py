"""Sound files that end before what their header tells of are errors, not short rows."""

import io
import re
import struct

import numpy as np
import pytest

from skknn.modalities import BadSoundError, as_sounds

soundfile = pytest.importorskip("soundfile")

RATE = 16_000
NOISY = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
NOISY[: RATE // 2] = 0


def encoded(kind, subtype=None, **settings):
    data = io.BytesIO()
    soundfile.write(data, NOISY, RATE, format=kind, subtype=subtype, **settings)
    return data.getvalue()


def n_read(data):
    return len(as_sounds([data]).item(0).samples)


def without_length(data):
    """A FLAC as programs write it to a pipe: 0 samples in its head, for unknown."""
    head = bytearray(data)
    head[21] &= 0xF0
    head[22:26] = bytes(4)
    return bytes(head)


TAG = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
WITH_FOOT = b"ID3\x04\x00\x10\x00\x00\x10\x00" + bytes(2048) + b"3DI" + bytes(7)
FILES = {
    "wav": lambda: encoded("WAV"),
    "wav, float": lambda: encoded("WAV", "FLOAT"),
    "wav, mu-law": lambda: encoded("WAV", "ULAW"),
    "wav, ADPCM": lambda: encoded("WAV", "IMA_ADPCM"),
    "rf64": lambda: encoded("RF64"),
    "aiff": lambda: encoded("AIFF"),
    "au": lambda: encoded("AU"),
    "voc": lambda: encoded("VOC"),
    "flac": lambda: encoded("FLAC"),
    "ogg": lambda: encoded("OGG"),
    "mp3": lambda: encoded("MP3"),
    "mp3, variable": lambda: encoded("MP3", bitrate_mode="VARIABLE"),
    "mp3, tagged": lambda: TAG + encoded("MP3"),
    "mp3, tagged twice": lambda: TAG + WITH_FOOT + encoded("MP3"),
    "wav, tagged": lambda: TAG + encoded("WAV"),
    "aiff, tagged": lambda: TAG + encoded("AIFF"),
    "flac, tagged twice": lambda: TAG + TAG + encoded("FLAC"),
    "ogg, tagged": lambda: TAG + encoded("OGG"),
    "flac, of unknown length": lambda: without_length(encoded("FLAC")),
    "flac, of unknown length, tagged": lambda: (
        TAG + without_length(encoded("FLAC")) + b"TAG" + bytes(125)
    ),
    "caf": lambda: encoded("CAF"),
    "w64": lambda: encoded("W64"),
    "nist": lambda: encoded("NIST"),
    "svx": lambda: encoded("SVX"),
    "avr": lambda: encoded("AVR"),
    "mpc": lambda: encoded("MPC2K"),
    "mat4": lambda: encoded("MAT4"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_cut_off_is_an_error(name, share):
    whole = FILES[name]()
    assert n_read(whole) >= len(NOISY)
    with pytest.raises(BadSoundError, match="row 1"):
        as_sounds([whole, whole[: int(share * len(whole))]]).item(1)


def test_the_error_tells_what_is_there_and_the_remedy():
    whole = FILES["wav"]()
    with pytest.raises(
        BadSoundError, match="cut off: 31500 samples are there.*download it again"
    ):
        n_read(whole[:-1000])


@pytest.mark.parametrize("name", ["wav", "aiff", "au", "flac", "mp3", "mp3, variable"])
def test_what_follows_the_samples_is_no_fault(name):
    whole = FILES[name]()
    assert n_read(whole + b"TAG" + bytes(125)) == n_read(whole)


@pytest.mark.parametrize("size", [2**32 - 1, 2**31 - 1, 2**31 - 4096])
def test_files_written_to_a_pipe_do_not_know_their_length(size):
    whole = bytearray(FILES["wav"]())
    place = whole.index(b"data") + 4
    whole[place : place + 4] = struct.pack("<I", size)
    assert n_read(bytes(whole)) == len(NOISY)


def of_halves(first, second, rate):
    """Noise that is loud and soft, which take bit rates of their own."""
    noise = np.random.default_rng(1).normal(0, 1, (6 * rate, 2)).astype(np.float32)
    noise[: 3 * rate] *= first
    noise[3 * rate :] *= second
    return noise


def without_count(data):
    """The frames of an MP3 behind the one that counts them, as pipes get them."""
    start = data.index(b"\xff", data.index(b"Xing"))
    while data[start : start + 2] != data[:2]:
        start = data.index(b"\xff", start + 1)
    return data[start:]


@pytest.mark.parametrize("rate", [44_100, 32_000, 22_050, 16_000, 11_025, 8_000])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("levels", [(0.3, 0), (0, 0.3)])
def test_mp3_without_a_count_of_its_frames(rate, n_channels, levels):
    """libsndfile guesses the length, here up to three times too long or too short."""
    samples = of_halves(*levels, rate)[:, :n_channels]
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format="MP3", bitrate_mode="VARIABLE")
    whole = data.getvalue()
    frames = without_count(whole)
    with soundfile.SoundFile(io.BytesIO(frames)) as file:
        wrong = file.frames
    assert not 0.9 < wrong / len(samples) < 1.1
    expected = as_sounds([whole]).item(0).samples
    place, length = whole.index(b"Xing"), len(whole) - len(frames)
    no_count, none_yet, fraunhofer = (bytearray(whole) for _ in range(3))
    no_count[place + 7] &= 0xFE
    none_yet[place + 8 : place + 12] = bytes(4)  # the program was killed
    fraunhofer[4:length] = bytes(length - 4)
    fraunhofer[36:40] = b"VBRI"  # libsndfile does not read this count
    kinds = [frames, TAG + frames, no_count, none_yet, fraunhofer]
    # What is behind the frames, or between, is not heard.
    kinds += [frames + bytes(5000), frames + b"LYRICSBEGIN" * 400]
    for kind in map(bytes, kinds):
        found = as_sounds([kind]).item(0).samples
        # What the encoder puts before and behind is not known either.
        assert len(samples) <= len(found) <= len(samples) + 4 * 1152
        delays = range(len(found) - len(samples) + 1)
        part = slice(0, rate) if levels[0] else slice(4 * rate, 5 * rate)
        errors = [
            np.abs(found[d:][: len(samples)][part] - expected[part]).max()
            for d in delays
        ]
        assert min(errors) < 1e-3, (min(errors), len(found))


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "MP3", "OGG"])
def test_samples_behind_tags_are_the_same(kind):
    plain, tagged = encoded(kind), TAG + WITH_FOOT + encoded(kind)
    found = [as_sounds([data]).item(0).samples for data in (plain, tagged)]
    np.testing.assert_array_equal(*found)


def test_a_file_of_unknown_length_is_read_to_its_end(monkeypatch):
    from skknn.modalities import _sound_file

    whole = encoded("FLAC")
    samples = as_sounds([whole]).item(0).samples
    for block in (2**20, 1000, len(NOISY)):
        monkeypatch.setattr(_sound_file, "_BLOCK", block)
        found = as_sounds([without_length(whole)]).item(0).samples
        np.testing.assert_array_equal(found, samples)
    monkeypatch.setattr(_sound_file, "MAX_SAMPLES", len(NOISY) - 1)
    with pytest.raises(BadSoundError, match="more than the 31999 that are decoded"):
        n_read(without_length(whole))


@pytest.mark.parametrize("has_count", [True, False])
def test_an_mp3_cut_off_within_its_first_frames(has_count):
    """However little is left, the message is about the file."""
    whole = bytearray(encoded("MP3"))
    whole[whole.index(b"Xing") + 7] &= 0xFF if has_count else 0xFE
    for n in range(1, 700):
        try:
            assert n_read(bytes(whole[:n])) > 0
            assert not has_count
        except BadSoundError as error:
            assert re.search("cut off|no sound file|no samples", str(error)), n


@pytest.mark.parametrize(
    "head", [b"\xff\xfb\x90\x64", b"\xff\xf3\x80\x64", b"\xff\xe3\x88\xc4"]
)
@pytest.mark.parametrize("n", [0, 10, 500, 5000])
def test_bytes_that_begin_as_an_mp3_are_no_sound(head, n):
    noise = np.random.default_rng(n).bytes(n)
    with pytest.raises(BadSoundError):
        n_read(head + noise)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        *(("WAV", s) for s in ("GSM610", "IMA_ADPCM", "MS_ADPCM", "PCM_U8", "ALAW")),
        *(("AIFF", s) for s in ("IMA_ADPCM", "GSM610", "PCM_24", "ULAW")),
        *(("SDS", s) for s in ("PCM_S8", "PCM_16", "PCM_24")),
        *(("W64", "GSM610"), ("CAF", "ALAC_16"), ("OGG", "OPUS")),
        *(("VOC", "PCM_U8"), ("PAF", "PCM_24"), ("XI", "DPCM_16"), ("MAT5", "FLOAT")),
    ],
)
@pytest.mark.parametrize("n", [1001, 4000, 5003, 8000])
def test_whole_files_are_not_cut_off(kind, subtype, n):
    data = io.BytesIO()
    soundfile.write(data, NOISY[-n:], 8000, format=kind, subtype=subtype)
    assert n_read(data.getvalue()) >= n


@pytest.mark.parametrize("size", [0x7F000000, 0x7F000008, 0x7FFFFFFF, 0xFFFFFFFF])
def test_aiff_and_au_written_to_a_pipe(size):
    aiff, au = bytearray(FILES["aiff"]()), bytearray(FILES["au"]())
    frames, place = aiff.index(b"COMM") + 10, aiff.index(b"SSND") + 4
    for n_frames in (size, size // 2):
        aiff[frames : frames + 4] = struct.pack(">I", n_frames)
        aiff[place : place + 4] = struct.pack(">I", size)
        assert n_read(bytes(aiff)) == len(NOISY)
    if size != 0x7FFFFFFF:  # which libsndfile takes for none at all
        au[8:12] = struct.pack(">I", size)
        assert n_read(bytes(au)) == len(NOISY)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_files_of_fewer_samples_than_channels(kind, n):
    stereo = np.tile(np.float32([[0.5, -0.25, 0.125, 0.0]]), (n, 1))
    data = io.BytesIO()
    soundfile.write(data, stereo, RATE, format=kind)
    found = as_sounds([data.getvalue()]).item(0).samples
    assert found.shape == (n,)
    if kind != "OGG":
        np.testing.assert_allclose(found, 0.375 / 4, atol=1e-4)


@pytest.mark.parametrize("data", [b"ID3", TAG, TAG[:20], TAG + b"RIFF"])
def test_tags_without_a_sound(data):
    with pytest.raises(BadSoundError, match="no sound file that libsndfile reads"):
        n_read(data)
