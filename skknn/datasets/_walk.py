"""The files below a folder, in an order that does not depend on the file system."""

import os
from collections.abc import Callable
from pathlib import Path

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".jxl", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def is_image(file: Path) -> bool:
    """Tell whether a file is an image by its name."""
    return file.suffix.lower() in IMAGE_SUFFIXES


def is_hidden(path: Path) -> bool:
    """Tell whether a file or folder is hidden: its name begins with a dot."""
    return path.name.startswith(".")


def files_in(folder: Path, *, hidden: bool = False) -> list[Path]:
    """Return the files of a folder, without its sub-folders.

    Parameters
    ----------
    folder : Path
    hidden : bool
        Whether hidden files are wanted, too, and the names of hidden folders.
    """
    return sorted(
        entry
        for entry in folder.iterdir()
        if (hidden if is_hidden(entry) else not entry.is_dir())
    )


def folders_in(folder: Path) -> list[Path]:
    """Return the sub-folders of a folder that are not hidden, by name."""
    found = [f for f in folder.iterdir() if f.is_dir() and not is_hidden(f)]
    return sorted(found, key=lambda place: place.name)  # paths ignore case on Windows


def files_below(
    folder: Path,
    *,
    outside: Path,
    hidden: bool = False,
    unlisted: Callable[[OSError], object] | None = None,
) -> list[Path]:
    """Return the files of a folder and its sub-folders.

    Links to folders are followed. Each folder is listed once, so links in a circle do
    no harm.

    Parameters
    ----------
    folder : Path
    outside : Path
        A folder that is not entered: the one that holds ``folder``, to which a link
        may lead back.
    hidden : bool
        Whether hidden files are wanted, too, and the names of folders that are not
        entered: hidden ones, and links to what is listed anyway.
    unlisted : callable, optional
        Called with the error of each folder that cannot be listed; the others are.

    Raises
    ------
    OSError
        If a folder cannot be listed and there is no ``unlisted``.
    """
    found: list[Path] = []
    seen = {_identity(outside)}

    def complain(error: OSError) -> None:
        raise error

    walk = os.walk(folder, followlinks=True, onerror=unlisted or complain)
    for here, folders, names in walk:
        identity = _identity(here)
        if identity in seen:
            folders.clear()
            if hidden and Path(here).is_symlink():
                found.append(Path(here))
            continue
        seen.add(identity)
        dotted = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(dotted))
        found += [Path(here, n) for n in names if hidden or not n.startswith(".")]
        if hidden:
            found += [Path(here, name) for name in dotted]
    return sorted(found)


def _identity(folder: str | os.PathLike) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
