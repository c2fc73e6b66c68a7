"""MP3 streams that do not tell how long they are.

The decoder then guesses from the first frames' bit rate, and stops there: with a
variable one, much may be left. So their frames are counted here.
"""

import struct

# Kilobits a second by the four bits of a head, of MPEG-1 and of MPEG-2 and 2.5.
_BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES = (44_100, 48_000, 32_000)
# Of a frame with room for the count, at any rate of samples.
_BIT_RATE = 9
# Frames that follow each other where bytes are taken for frames behind others.
_IN_A_ROW = 3


def with_count(data: bytes) -> bytes | None:
    """Put a frame in front of an MP3 that counts its others, if none does.

    Parameters
    ----------
    data : bytes
        Of any file, without tags in front.

    Returns
    -------
    bytes or None
        None for what is no MP3, or counts its frames.
    """
    if not _is_head(data, 0):
        return None
    place = _place_of_count(data)
    mark, flags, count = struct.unpack_from(
        ">4sII", data.ljust(place + 12, b"\0"), place
    )
    if mark in (b"Xing", b"Info"):
        if flags & 1 and count:
            return None
    elif data[36:40] != b"VBRI":  # a count that the decoder does not read
        mark = b""
    if mark:
        data = data[_frame_length(data, 0) :]  # would be heard as silence
    n_frames = _count(data) if _is_head(data, 0) else 0
    return _counting_frame(data[:4], n_frames) + data if n_frames else None


def _count(data: bytes) -> int:
    """How many frames there are, whatever is between and behind them."""
    n_frames, start, kind = 0, 0, _kind(data, 0)
    while start >= 0 and _runs_on(data, start, kind):
        while _is_head(data, start) and _kind(data, start) == kind:
            start += _frame_length(data, start)
            n_frames += start <= len(data)
        while (start := data.find(b"\xff", start)) >= 0:
            if _runs_on(data, start, kind):
                break
            start += 1
    return n_frames


def _runs_on(data: bytes, start: int, kind: tuple[int, ...]) -> bool:
    """Tell whether some frames of a kind follow each other, or one ends the file."""
    for _ in range(_IN_A_ROW):
        if not _is_head(data, start) or _kind(data, start) != kind:
            return False
        start += _frame_length(data, start)
        if start >= len(data):
            return start == len(data)
    return True


def _counting_frame(head: bytes, n_frames: int) -> bytes:
    first = bytearray(head)
    first[1] |= 1  # no checksum
    first[2] = _BIT_RATE << 4 | head[2] & 0b1100
    frame = bytearray(_frame_length(bytes(first), 0))
    frame[:4] = first
    struct.pack_into(">4sII", frame, _place_of_count(head), b"Xing", 1, n_frames)
    return bytes(frame)


def _is_head(data: bytes, at: int) -> bool:
    """Tell whether a frame of layer III begins somewhere: 11 bits set, and no value
    that means nothing."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return False
    version, rates = data[at + 1] >> 3 & 3, data[at + 2]
    return version != 1 and rates >> 4 not in (0, 15) and rates >> 2 & 3 != 3


def _kind(data: bytes, at: int) -> tuple[int, ...]:
    """What is the same in all frames: version, rate of samples, mono or not."""
    version, rates, mode = data[at + 1 : at + 4]
    return version >> 3 & 3, rates >> 2 & 3, mode >> 6 == 3


def _frame_length(data: bytes, at: int) -> int:
    version, rates = data[at + 1] >> 3 & 3, data[at + 2]
    kilobits = _BIT_RATES[version != 3][rates >> 4]
    # Of 44,100, MPEG-2 has half and MPEG-2.5 a quarter.
    rate = _RATES[rates >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
    return (144 if version == 3 else 72) * 1000 * kilobits // rate + (rates >> 1 & 1)


def _place_of_count(data: bytes) -> int:
    """Where a count stands: behind the head, and what each channel's frame needs."""
    is_mono = data[3] >> 6 == 3
    if data[1] >> 3 & 3 == 3:
        return 4 + (17 if is_mono else 32)
    return 4 + (9 if is_mono else 17)
