"""The bytes of a file, if it is one that may be read."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

WEB = ("http:", "https:", "ftp:")

# The most that Pillow reads of one pixel: four channels of 16 bits. A file of more
# bytes than its pixels can have, uncompressed, holds something else.
_BYTES_PER_PIXEL = 8


def check_image_bytes(n_bytes: int) -> None:
    """Refuse a file that is longer than an image can be."""
    if Image.MAX_IMAGE_PIXELS is None:
        return
    limit = _BYTES_PER_PIXEL * Image.MAX_IMAGE_PIXELS
    if n_bytes > limit:
        raise ValueError(
            f"the file has {n_bytes} bytes, more than the {limit} that an image of "
            "PIL.Image.MAX_IMAGE_PIXELS can need. Set that to a larger number if you "
            "trust the file"
        )


def read_file(
    path: str | os.PathLike,
    check_bytes: Callable[[int], None] = check_image_bytes,
    of_folders: str = "List its files, or use skknn.datasets.load_image_folder",
) -> bytes:
    """Read a regular file.

    Parameters
    ----------
    path : str or Path
    check_bytes : callable
        Raises an error for a number of bytes that is too large.
    of_folders : str
        What to do where it is a folder.

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
            raise ValueError(f"it is a directory. {of_folders}")
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_size == 0:
            raise ValueError("the file is empty (0 bytes)")
        check_bytes(found.st_size)
        return path.read_bytes()
    except FileNotFoundError:
        if str(path).startswith(WEB):
            raise ValueError("it is a web address: download it first") from None
        raise ValueError(f"no such file (looked from {os.getcwd()!r})") from None
    except PermissionError:
        raise ValueError("permission to read the file was denied") from None


def absolute_path(item: Any) -> Any:
    """Return a path that another process can follow; anything else as it is."""
    if not isinstance(item, (str, os.PathLike)) or str(item).startswith(WEB):
        return item
    return os.path.abspath(item)
