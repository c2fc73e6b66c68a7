"""One sub-folder a class -> paths and labels."""

import os
import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def load_image_folder(path: str | os.PathLike) -> Bunch:
    """List the images of a folder that has one sub-folder a class.

    The images are listed, not read. Files in sub-folders of a class folder belong
    to that class. Hidden files and folders (names that begin with a dot) are left
    out.

    Parameters
    ----------
    path : str or Path
        The folder.

    Returns
    -------
    data : Bunch
        ``data``
            list of str, shape (n,): the files, by class, then by name.
        ``target``
            ndarray of int, shape (n,): index into ``target_names``.
        ``target_names``
            list of str: names of the sub-folders, sorted.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If ``path`` is no folder.
    ValueError
        If there are no class folders, or one of them holds no image.

    Warns
    -----
    UserWarning
        If files that are no images by their suffix were left out (with their
        number).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skknn.datasets import load_image_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     Image.new("RGB", (8, 8)).save(folder / name / "0.png")
    >>> bunch = load_image_folder(folder)
    >>> bunch.target_names, bunch.target
    (['cat', 'dog'], array([0, 1]))
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(
            f"path={str(path)!r}: no such folder (from {os.getcwd()!r})."
        )
    if not root.is_dir():
        raise NotADirectoryError(
            f"path={str(path)!r} is a file. Pass the folder that holds one sub-folder "
            "a class."
        )
    classes = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not classes:
        raise ValueError(
            f"path={str(path)!r} has no sub-folders. Put the images of each class into "
            "a sub-folder named after it: path/cat/1.jpg, path/dog/1.jpg."
        )
    data, target, empty, other = [], [], [], []
    other += [entry for entry in _files(root, recursive=False)]
    for code, name in enumerate(classes):
        files = _files(root / name)
        images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
        other += [file for file in files if file.suffix.lower() not in IMAGE_SUFFIXES]
        if not images:
            empty.append(name)
        data += [str(file) for file in images]
        target += [code] * len(images)
    if empty:
        raise ValueError(
            f"path={str(path)!r}: no images in the sub-folders {empty}. Remove them, "
            f"or use one of the suffixes {', '.join(IMAGE_SUFFIXES)}."
        )
    if other:
        warnings.warn(
            f"{len(other)} files in {str(path)!r} are left out, because they are no "
            f"images in a class folder by their name (first: {str(other[0])!r}).",
            UserWarning,
            stacklevel=2,
        )
    return Bunch(data=data, target=np.array(target), target_names=classes)


def _files(folder: Path, recursive: bool = True) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".")) * recursive
        found += [Path(here, name) for name in names if not name.startswith(".")]
    return sorted(found)
