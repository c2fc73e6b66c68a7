"""Sound files that end before what their header tells of are errors, not short rows."""

import io
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
    "mp3, tagged": lambda: (
        b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048) + encoded("MP3")
    ),
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


def test_mp3_without_a_count_of_its_frames():
    """libsndfile then guesses the length, here twice as long as the file."""
    whole = encoded("MP3", bitrate_mode="VARIABLE")
    frames = whole[whole.index(b"\xff\xf3", whole.index(b"Xing")) :]
    with soundfile.SoundFile(io.BytesIO(frames)) as file:
        assert file.frames > 1.1 * len(NOISY)
    assert n_read(frames) >= len(NOISY)
