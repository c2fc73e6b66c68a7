"""Where results may be written: checked before hours are spent on them."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..utils._write_at_once import check_replaceable


def check_output_folder(output: str | os.PathLike, names: Iterable[str]) -> None:
    """Refuse a folder of results in which files of somebody else would be replaced.

    Parameters
    ----------
    output : str or Path
        There need be none.
    names : iterable of str
        Files that are to be written.

    Raises
    ------
    NotADirectoryError
        If it is a file, or would lie below one.
    FileExistsError
        If one of the files is there and nothing tells that skknn wrote it.
    """
    folder = Path(output)
    _refuse_file_above(folder, str(output))
    there = [name for name in names if os.path.lexists(folder / name)]
    folders = [name for name in there if (folder / name).is_dir()]
    if folders or (there and not holds_results(folder)):
        raise FileExistsError(
            f"output={str(output)!r} holds {(folders or there)[0]!r}, which would be "
            "replaced and does not look like results of skknn. Name another folder, or "
            "move it away."
        )


def check_can_write(output: str | os.PathLike) -> None:
    """Refuse a folder in which nothing can be written, or in which none can be made.

    Raises
    ------
    PermissionError
    """
    for place in (Path(output), *Path(output).absolute().parents):
        if place.exists():
            if not os.access(place, os.W_OK | os.X_OK):
                raise PermissionError(
                    f"output={str(output)!r}: nothing can be written in "
                    f"{str(place)!r}. Name another place, or ask for the permission."
                )
            return


def check_output_file(
    output: str | os.PathLike, is_ours: Callable[[Path], bool]
) -> None:
    """Refuse a path at which no file can be put, or that of a file of somebody else.

    Parameters
    ----------
    output : str or Path
    is_ours : callable
        Whether what is there looks like what is to be written, and may be replaced.

    Raises
    ------
    FileExistsError
        If it does not.
    IsADirectoryError
    NotADirectoryError
        If it would lie below a file.
    PermissionError
        If nothing can be written there.
    ValueError
        If it is a device or a pipe.
    """
    if os.path.isdir(output):
        raise IsADirectoryError(
            f"output={str(output)!r} is a folder. Name a file, such as one in it."
        )
    check_replaceable(output, "output")
    file = Path(output)
    _refuse_file_above(file.parent, str(output))
    check_can_write(file.parent)
    if not file.exists() or file.stat().st_size == 0:
        return
    if not is_ours(file):
        raise FileExistsError(
            f"output={str(output)!r} is there and does not look like what this would "
            "write, or is part of a folder of results. Name another file, or move it "
            "away."
        )


def _refuse_file_above(folder: Path, output: str) -> None:
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            if not place.is_dir():
                raise NotADirectoryError(
                    f"output={output!r}: {str(place)!r} is a file. Name a folder, or "
                    "a path below one."
                )
            return


def holds_results(folder: Path) -> bool:
    """Whether a folder holds features, settings or skipped files as skknn has them."""
    if any((folder / "cache").glob("rows-*.sqlite")):
        return True
    try:
        if "fingerprint" in json.loads((folder / "settings.json").read_text("utf8")):
            return True
    except (OSError, ValueError, TypeError):
        pass
    return is_skipped_table(folder / "skipped.csv")


def is_skipped_table(path: Path) -> bool:
    """Whether a file is a table of skipped files, as skknn writes it."""
    return _header(path) == ["file", "reason"]


def is_predictions_table(path: Path) -> bool:
    """Whether a file is a table of predictions, as skknn writes it."""
    return _header(path)[:4] == ["file", "label", "probability", "runner_up"]


def _header(path: Path) -> list[str]:
    """Names of the columns of a CSV file, as far as it has any."""
    try:
        with open(path, "rb") as file:
            line = file.readline(4096).decode("utf8")
    except (OSError, UnicodeDecodeError):
        return []
    return [name.strip('"') for name in line.strip().split(",")]
