"""Whether a sound file ends before what its header tells of, as broken downloads do."""

import re
from typing import Any

# What libsndfile notes of chunks of samples whose size is not what the file has left.
_CHUNK = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff)\s*:\s*(\d+) \(should be (\d+)\)", re.M
)
_FRAMES = re.compile(
    r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)"
)
# Of VOC and MAT files; of chunks of GSM it says so where they are not.
_TRUNCATED = re.compile(
    "(file seems to be truncated|seems to be a truncated file)", re.I
)
# Samples of each channel as heads count them.
_COUNTS = re.compile(r"^\s*Frames\s*:\s*(\d+)", re.M)
_COUNTING = ("AVR", "MPC2K")
_COUNT_OF_NIST = re.compile(rb"\nsample_count -i (\d+)")
# Sizes from here on stand for "unknown" in files that were written to a pipe.
_UNKNOWN = 0x7F000000
# What libsndfile gives as the length of files that tell none.
NO_LENGTH = 2**63 - 1
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
        return n_read + _SLACK < file.frames
    if file.format == "OGG" and _ends_within_a_page(data):
        return True
    notes = file.extra_info
    found = [(int(size), int(left)) for size, left in _CHUNK.findall(notes)]
    found += [(int(told), int(there)) for there, told in _FRAMES.findall(notes)]
    if any(size >= _UNKNOWN for size, _ in found):
        return False
    if any(left < size for size, left in found) or _TRUNCATED.search(notes):
        return True
    counts = _COUNTS.findall(notes) if file.format in _COUNTING else []
    if file.format == "NIST":
        counts = _COUNT_OF_NIST.findall(data[:4096])
    if any(n_read < int(count) for count in counts):
        return True
    return file.frames < NO_LENGTH and n_read < file.frames


def _ends_within_a_page(data: bytes) -> bool:
    """Tell whether the last page of an Ogg stream is not all there."""
    page = data[data.rfind(b"OggS") :]
    # The head is 27 bytes, the last of which counts the lengths that follow.
    head = 27 + page[26] if len(page) > 26 else 27
    return len(page) < head + sum(page[27:head])
