"""The files below a folder, in an order that does not depend on the file system."""

import os
from pathlib import Path

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".jxl", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def is_image(file: Path) -> bool:
    """Tell whether a file is an image by its name."""
    return file.suffix.lower() in IMAGE_SUFFIXES


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are not hidden, without its sub-folders."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and not entry.is_dir()
    )


def files_below(folder: Path, *, outside: Path) -> list[Path]:
    """Return the files of a folder and its sub-folders that are not hidden.

    Links to folders are followed. Each folder is listed once, so links in a circle do
    no harm.

    Parameters
    ----------
    folder : Path
    outside : Path
        A folder that is not entered: the one that holds ``folder``, to which a link
        may lead back.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    found: list[Path] = []
    seen = {_identity(outside)}

    def complain(error: OSError) -> None:
        raise error

    for here, folders, names in os.walk(folder, followlinks=True, onerror=complain):
        identity = _identity(here)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _identity(folder: str | os.PathLike) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
