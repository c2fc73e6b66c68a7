"""Files that appear when they are complete."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path


def write_at_once(path: str | os.PathLike, write: Callable[[Path], object]) -> None:
    """Write beside and rename, so that nobody finds half a file.

    Parameters
    ----------
    path : str or Path
        Its folder is made if there is none. Of a link the file that it leads to.
    write : callable
        Writes to a path with the same suffix.

    Raises
    ------
    ValueError
        If it is a device or a pipe, which a file would replace.
    """
    check_replaceable(path, "path")
    place = Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".unfinished-{uuid.uuid4().hex}{place.suffix}")
    try:
        write(beside)
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)


def check_replaceable(path: str | os.PathLike, parameter: str) -> None:
    """Refuse a device or a pipe, such as /dev/null, in whose place a file would be.

    Raises
    ------
    ValueError
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise ValueError(
            f"{parameter}={str(path)!r} is a device or a pipe, which a file would "
            "replace. Name a file."
        )
