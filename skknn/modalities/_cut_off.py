"""Whether a sound file ends before what its header tells of, as broken downloads do."""

import re
from typing import Any

# What libsndfile notes of chunks of samples whose size is not what the file has left.
_CHUNK = re.compile(
    r"^\s*(?:data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", re.M
)
_FRAMES = re.compile(
    r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)"
)
_TRUNCATED = "Seems to be a truncated file"
# Sizes from here on stand for "unknown" in files that were written to a pipe.
_UNKNOWN = 2**31 - 2**16
# Samples that encoders of MP3 may count too many: the frame that holds the count.
_SLACK = 1152


def is_cut_off(file: Any, data: bytes, n_read: int) -> bool:
    """Tell whether the end of a sound file is missing.

    Parameters
    ----------
    file : soundfile.SoundFile
        That was read to its end.
    data : bytes
        The whole file.
    n_read : int
        Samples of each channel that were found.

    Returns
    -------
    bool
        False, too, where the file does not tell its length.
    """
    if file.format in ("MP3", "MPEG"):
        return _tells_length(data) and n_read + _SLACK < file.frames
    if file.format == "OGG" and _ends_within_a_page(data):
        return True
    notes = file.extra_info
    found = [(int(size), int(left)) for size, left in _CHUNK.findall(notes)]
    found += [(int(told), int(there)) for there, told in _FRAMES.findall(notes)]
    if any(left < size < _UNKNOWN for size, left in found):
        return True
    return _TRUNCATED in notes or n_read < file.frames


def _tells_length(data: bytes) -> bool:
    """Tell whether an MP3 begins with a frame that counts the others.

    Without it libsndfile guesses the length from the first frames' bit rate.
    """
    start = 0
    if data[:3] == b"ID3":
        # Seven bits of each byte, and ten bytes of the tag's head.
        start = 10 + sum(
            (byte & 127) << (7 * (3 - i)) for i, byte in enumerate(data[6:10])
        )
    head = data[start : start + 256]
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def _ends_within_a_page(data: bytes) -> bool:
    """Tell whether the last page of an Ogg stream is not all there."""
    page = data[data.rfind(b"OggS") :]
    # The head is 27 bytes, the last of which counts the lengths that follow.
    head = 27 + page[26] if len(page) > 26 else 27
    return len(page) < head + sum(page[27:head])
