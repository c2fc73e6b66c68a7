"""An image file -> a small picture to look at, decoded no larger than it has to be."""

import os

from PIL import Image

from ._decode import to_rgb
from ._encoded import open_encoded
from ._files import read_file
from ._orientation import upright


def thumbnail(file: str | os.PathLike, side: int) -> Image.Image:
    """Read an image file upright, on white, shrunk to fit into a square.

    Features come from all pixels (:func:`~skknn.modalities.as_images`); a JPEG is
    decoded here at an eighth, a quarter or half of its size where that is enough.

    Parameters
    ----------
    file : str or Path
    side : int
        Pixels of the square. Smaller images stay as they are.

    Returns
    -------
    PIL.Image.Image
        RGB, without the file's tags and comments.

    Raises
    ------
    ValueError, OSError
        If it cannot be read.
    """
    try:
        image = open_encoded(read_file(file))
        # Twice what is wanted, so that the last step still averages.
        image.draft(None, (2 * side, 2 * side))
        image.load()
        small = to_rgb(upright(image))
    except (OSError, ValueError):
        raise
    except Exception as error:  # decoders raise errors of any kind
        raise ValueError(f"{str(file)!r} cannot be decoded ({error}).") from error
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    clean = Image.new("RGB", small.size)
    clean.paste(small)
    return clean
