"""What the names of folders say: classes, parts of a data set, images without label."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

#: Patterns of folders whose images wait for a label, by what people call them.
UNLABELLED = ("unlabelled", "unlabeled", "unknown", "_*")
_TRAIN = ("train", "training")
_OTHER_PARTS = ("val", "valid", "validation", "dev", "test", "testing")


def is_unlabelled(name: str, patterns: Iterable[str] = UNLABELLED) -> bool:
    """Tell whether images of a folder have no label, by its name in any case.

    Parameters
    ----------
    name : str
    patterns : iterable of str
        Names, in which ``*`` and ``?`` stand for anything.
    """
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def parts_of_data_set(folders: list[str]) -> list[str]:
    """Return the parts (train, val, test), if folders are parts and no classes."""
    train = [name for name in folders if name.lower() in _TRAIN]
    rest = [name for name in folders if name.lower() in _OTHER_PARTS]
    if (train and rest) or len(train) + len(rest) == len(folders):
        return train + rest
    return []


def checked_root(path: str | os.PathLike, parameter: str) -> Path:
    """Return the folder of class folders.

    Parameters
    ----------
    path : str or Path
    parameter : str
        What users know it as, for errors.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(
            f"{parameter}={str(path)!r}: no such folder (from {os.getcwd()!r})."
        )
    if not root.is_dir():
        raise NotADirectoryError(
            f"{parameter}={str(path)!r} is a file. Pass the folder that holds one "
            "sub-folder a class."
        )
    check_listing(root, parameter)
    return root


def check_listing(folder: Path, parameter: str) -> None:
    """Refuse a folder that cannot be listed.

    Raises
    ------
    PermissionError
    """
    try:
        os.scandir(folder).close()
    except PermissionError as error:
        raise PermissionError(
            f"{parameter}={str(folder)!r} cannot be listed ({error.strerror}). Ask for "
            "the permission to read it, or pass a copy."
        ) from error
