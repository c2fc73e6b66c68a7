"""MP3 streams that do not tell how long they are.

The decoder then guesses from the first frames' bit rate, and stops there: with a
variable one, much may be left. Behind a frame that counts far too many it reads on.
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
_MANY = 2**31 - 1


def is_uncounted(data: bytes) -> bool:
    """Tell whether a file is an MP3 whose first frame counts no others.

    Parameters
    ----------
    data : bytes
        Without tags in front.
    """
    if not _is_head(data):
        return False
    place = _place_of_count(data)
    mark, flags = data[place : place + 4], data[place + 7 : place + 8]
    if mark in (b"Xing", b"Info"):
        return not flags or not flags[0] & 1
    return data[36:40] != b"VBRI"


def with_count(data: bytes) -> bytes:
    """Put a frame in front that counts more frames than any file has.

    Parameters
    ----------
    data : bytes
        What ``is_uncounted``.

    Returns
    -------
    bytes
        To be read to its end: the samples of ``data``, all of them.
    """
    place = _place_of_count(data)
    if data[place : place + 4] in (b"Xing", b"Info"):
        data = data[_frame_length(data) :]  # it would be taken for silence
    head = bytearray(data[:4])
    head[1] |= 1  # no checksum
    head[2] = _BIT_RATE << 4 | head[2] & 0b1100
    frame = bytearray(_frame_length(bytes(head)))
    frame[:4] = head
    frame[place : place + 12] = b"Xing" + struct.pack(">II", 1, _MANY)
    return bytes(frame) + data


def _is_head(data: bytes) -> bool:
    """Tell whether a frame of layer III begins here: 11 bits set, and no value that
    means nothing."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return False
    version, bit_rate, rate = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and bit_rate not in (0, 15) and rate != 3


def _frame_length(data: bytes) -> int:
    is_first = _is_mpeg_1(data)
    kilobits = _BIT_RATES[0 if is_first else 1][data[2] >> 4]
    # Of 44,100, MPEG-2 has half and MPEG-2.5 a quarter.
    rate = _RATES[data[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[data[1] >> 3 & 3]
    padding = data[2] >> 1 & 1
    return (144 if is_first else 72) * 1000 * kilobits // rate + padding


def _place_of_count(data: bytes) -> int:
    """Where a count stands: behind the head, and what each channel's frame needs."""
    is_mono = data[3] >> 6 == 3
    if _is_mpeg_1(data):
        return 4 + (17 if is_mono else 32)
    return 4 + (9 if is_mono else 17)


def _is_mpeg_1(data: bytes) -> bool:
    return data[1] >> 3 & 3 == 3
