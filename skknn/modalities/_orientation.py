"""Which way up a picture is: of all of EXIF, the one tag that matters here.

Nothing else is read and nothing written back, so a file whose other tags are odd or
damaged is an image like any other.
"""

from PIL import Image

_TAG = 0x0112  # of EXIF

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
    try:
        return _METHODS.get(image.getexif().get(_TAG, 1))
    except Exception:  # damaged tags raise errors of any kind; viewers ignore them
        return None
