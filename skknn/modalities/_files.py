"""The bytes of an image file, if it is one that may be read."""

import os
import stat
from pathlib import Path

from PIL import Image

WEB = ("http:", "https:", "ftp:")

# The most that Pillow reads of one pixel: four channels of 16 bits. A file of more
# bytes than its pixels can have, uncompressed, holds something else.
_BYTES_PER_PIXEL = 8


def read_file(path: str | os.PathLike) -> bytes:
    """Read a regular file.

    Raises
    ------
    ValueError
        If there is no such file, or it must not be read: a pipe or a device could wait
        forever, and so could the files of a kernel, which seem to be empty; one that
        is too large would fill the memory before anyone looks at its header.
    """
    path = Path(path)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(
                "it is a directory. List its files, or use "
                "skknn.datasets.load_image_folder"
            )
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_size == 0:
            raise ValueError("the file is empty (0 bytes)")
        _check_n_bytes(found.st_size)
        return path.read_bytes()
    except FileNotFoundError:
        if str(path).startswith(WEB):
            raise ValueError("it is a web address: download it first") from None
        raise ValueError(f"no such file (looked from {os.getcwd()!r})") from None
    except PermissionError:
        raise ValueError("permission to read the file was denied") from None


def _check_n_bytes(n_bytes: int) -> None:
    if Image.MAX_IMAGE_PIXELS is None:
        return
    limit = _BYTES_PER_PIXEL * Image.MAX_IMAGE_PIXELS
    if n_bytes > limit:
        raise ValueError(
            f"the file has {n_bytes} bytes, more than the {limit} that an image of "
            "PIL.Image.MAX_IMAGE_PIXELS can need. Set that to a larger number if you "
            "trust the file"
        )
