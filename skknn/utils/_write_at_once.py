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
        Its folder is made if there is none.
    write : callable
        Writes to a path with the same suffix.
    """
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".unfinished-{uuid.uuid4().hex}{place.suffix}")
    try:
        write(beside)
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)
