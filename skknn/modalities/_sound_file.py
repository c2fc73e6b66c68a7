"""The bytes of a sound file, decoded from the first to the last sample."""

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._optional import import_optional
from ._cut_off import NO_LENGTH, is_cut_off
from ._mp3 import with_count

# Samples of all channels that are decoded at most (half a gigabyte as float32): a
# compressed file of silence may hold days.
MAX_SAMPLES = 2**27
# Samples of each channel that are decoded at a time where a file tells no length.
_BLOCK = 2**20


def decoded_file(data: bytes) -> tuple[NDArray[np.floating], int]:
    """Decode the bytes of a sound file: WAV, FLAC, OGG, MP3, AIFF and others.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    samples : ndarray of shape (n,), float32 or float64
        The mean of the channels.
    rate : int
        Samples a second.

    Raises
    ------
    ModuleNotFoundError
        Without soundfile; the message names the extra.
    ValueError
        If they are no sound, a far too long or a cut off one.
    """
    soundfile = import_optional(
        "soundfile", extra="audio", needed_for="Reading sound files"
    )
    data = _without_tags(data)
    data = with_count(data) or data
    try:
        with _forward_reader()(io.BytesIO(data)) as file:
            samples = _read(file)
            rate = file.samplerate
            cut_off = is_cut_off(file, data, len(samples))
    except soundfile.SoundFileError as error:
        raise ValueError(
            f"it is no sound file that libsndfile reads ({_reason(error)}). "
            "WAV, FLAC, OGG and MP3 are; convert others"
        ) from None
    if cut_off:
        raise ValueError(
            f"it is cut off: {len(samples)} samples are there, and its header tells of "
            "more. Copy or download it again, or save what is left as a file of its own"
        )
    mono = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float64)
    return mono, rate


def check_length(n_samples: int) -> None:
    """Refuse more samples than are decoded at a time.

    Raises
    ------
    ValueError
    """
    if n_samples > MAX_SAMPLES:
        raise ValueError(
            f"it has {n_samples} samples, more than the {MAX_SAMPLES} that are decoded "
            "at a time. Cut it into clips"
        )


@cache
def _forward_reader() -> type:
    """What reads without looking for its place after each block.

    libsndfile cannot look for a place in a FLAC that was written to a pipe.
    """
    import soundfile

    class ForwardReader(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return ForwardReader


def _read(file: Any) -> NDArray[np.float32]:
    """Read a file to its end, whether it tells its length or not."""
    if file.frames < NO_LENGTH:
        check_length(file.frames * file.channels)
        samples: NDArray[np.float32] = file.read(frames=file.frames, dtype="float32")
        return samples
    blocks = [file.read(frames=_BLOCK, dtype="float32")]
    while len(blocks[-1]) == _BLOCK:
        check_length((len(blocks) + 1) * _BLOCK * file.channels)
        blocks.append(file.read(frames=_BLOCK, dtype="float32"))
    return np.concatenate(blocks)


def _without_tags(data: bytes) -> bytes:
    """Return what is between the ID3 tags of a file.

    libsndfile takes one before MP3 and FLAC, counts it as samples that a WAV or AIFF
    lacks, and takes one behind a FLAC of unknown length for samples.
    """
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) > start + 10:
        flags, size = data[start + 5], data[start + 6 : start + 10]
        # Seven bits of each byte, ten bytes of head, and as many of a foot.
        length = sum((byte & 127) << (7 * (3 - i)) for i, byte in enumerate(size))
        start += length + (20 if flags & 16 else 10)
    is_behind = data[start : start + 4] == b"fLaC" and data[-128:-125] == b"TAG"
    return data[start : -128 if is_behind else None]


def _reason(error: Exception) -> str:
    """Without the repr of the bytes, which stand for the file here."""
    return str(getattr(error, "error_string", error)).rstrip(".")
