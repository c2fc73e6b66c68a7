"""Which way up a picture is: of all of EXIF, the one tag that matters here.

Nothing else is read and nothing written back, so a file whose other tags are odd or
damaged is an image like any other.
"""

import struct
from typing import Any

from PIL import Image

_TAG = 0x0112  # of EXIF

# Types that whole numbers have in EXIF.
_NUMBERS = {1: "B", 3: "H", 4: "I"}

# How each orientation is undone.
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_turned(image: Image.Image) -> bool:
    """Tell whether :func:`upright` has something to do."""
    return _undo(image) is not None


def upright(image: Image.Image) -> Image.Image:
    """Return a picture turned as its EXIF or XMP says; ``image`` itself if upright."""
    method = _undo(image)
    return image if method is None else image.transpose(method)


def _undo(image: Image.Image) -> Image.Transpose | None:
    return _METHODS.get(_by_pillow(image) or _in_exif(image.info.get("exif")) or 1)


def _by_pillow(image: Image.Image) -> Any:
    """What Pillow finds, also in XMP and in the tags of TIFF files."""
    try:
        return image.getexif().get(_TAG)
    except Exception:  # damaged tags raise errors of any kind; viewers ignore them
        return None


def _in_exif(exif: Any) -> int | None:
    """Look for the tag alone: Pillow before 13 stops at the first damaged one."""
    if not isinstance(exif, bytes):
        return None
    tags = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tags[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tags, 4)
        (count,) = struct.unpack_from(f"{order}H", tags, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tags, place)
            if tag == _TAG and kind in _NUMBERS:
                return struct.unpack_from(order + _NUMBERS[kind], tags, place + 8)[0]
    except struct.error:  # the directory ends early
        return None
    return None
