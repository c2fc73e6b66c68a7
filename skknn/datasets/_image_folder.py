"""One sub-folder a class -> paths and labels."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.utils import Bunch

from ..utils._warn import warn
from ._folder_names import checked_root, is_unlabelled, parts_of_data_set
from ._walk import IMAGE_SUFFIXES, files_below, files_in, folders_in, is_image


def load_image_folder(
    path: str | os.PathLike,
    *,
    classes: Sequence[str] | None = None,
    target: Literal["codes", "names"] = "codes",
) -> Bunch:
    """List the images of a folder that has one sub-folder a class.

    The images are listed, not read. Files in sub-folders of a class folder belong to
    that class; links are followed, and a folder that is reached twice is listed once.
    Hidden files and folders (names that begin with a dot) are left out.

    Parameters
    ----------
    path : str or Path
        The folder.
    classes : sequence of str, default=None
        The names of all classes, in the order in which they are numbered. None takes
        the sub-folders, sorted. Give it for every part but the first, because each
        part may lack some class: see the examples.
    target : {"codes", "names"}, default="codes"
        Whether labels are numbers or the names of the sub-folders. Classifiers take
        both; names need no ``classes`` to mean the same in all parts.

    Returns
    -------
    data : Bunch
        ``data``
            list of str, shape (n,): the files, by class, then by name.
        ``target``
            ndarray, shape (n,): of int, each an index into ``target_names``, or of
            str.
        ``target_names``
            list of str: ``classes``, or the names of the sub-folders, sorted.
        ``unlabelled``
            list of str: images in the sub-folders that are called "unlabelled",
            "unlabeled" or "unknown", or whose names begin with an underscore. They
            are no classes unless ``classes`` names them.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If ``path`` is no folder.
    ValueError
        If there are no class folders; if they are the parts of a data set (train,
        val, test) and not classes; if one holds no image (with ``classes`` a
        warning); if there is one that ``classes`` does not name.

    Warns
    -----
    UserWarning
        If files that are no images by their suffix were left out (with their
        number), or images have no label by the name of their folder.

    See Also
    --------
    check_images : Find the images that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skknn.datasets import load_image_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("train/bird", "train/cat", "train/dog", "test/cat", "test/dog"):
    ...     (folder / name).mkdir(parents=True)
    ...     Image.new("RGB", (8, 8)).save(folder / name / "0.png")
    >>> train = load_image_folder(folder / "train")
    >>> train.target_names, train.target
    (['bird', 'cat', 'dog'], array([0, 1, 2]))

    The test part has no bird. With the names of the training part its labels are
    numbered alike all the same.

    >>> test = load_image_folder(folder / "test", classes=train.target_names)
    >>> test.target
    array([1, 2])
    """
    if target not in ("codes", "names"):
        raise ValueError(f"target={target!r} must be 'codes' or 'names'.")
    root = checked_root(path, "path")
    names = _checked_names(classes)
    folders = [folder.name for folder in folders_in(root)]
    waiting = [
        name for name in folders if is_unlabelled(name) and name not in (names or ())
    ]
    folders = [name for name in folders if name not in waiting]
    if names is None:
        _check_classes(root, folders, waiting)
        names = folders
    else:
        _check_known(root, folders, names)

    other = files_in(root)
    found: dict[str, list[str]] = {}
    for name in [*folders, *waiting]:
        images: list[str] = []
        for file in files_below(root / name, outside=root):
            if is_image(file):
                images.append(str(file))
            else:
                other.append(file)
        found[name] = images
    empty = [name for name in folders if not found[name]]
    if empty:
        _report_empty(root, empty, fatal=classes is None or len(empty) == len(folders))
    unlabelled = [image for name in waiting for image in found[name]]
    if unlabelled and classes is None:
        warn(
            f"{len(unlabelled)} images in the sub-folders {waiting} of {str(root)!r} "
            "have no label, by the name of the folder. They are in `unlabelled`; if it "
            "is a class, name all classes with classes=[...]."
        )
    if other:
        warn(
            f"{len(other)} files in {str(root)!r} are left out: they lie in no class "
            "folder, or are no images by their name (first: "
            f"{str(other[0])!r})."
        )
    in_order = [name for name in names if name in found]
    codes = np.repeat(
        np.array([names.index(name) for name in in_order], dtype=np.int64),
        [len(found[name]) for name in in_order],
    )
    return Bunch(
        data=[image for name in in_order for image in found[name]],
        target=codes if target == "codes" else np.array(names)[codes],
        target_names=list(names),
        unlabelled=unlabelled,
    )


def _checked_names(classes: Sequence[str] | None) -> list[str] | None:
    if classes is None:
        return None
    names = [] if isinstance(classes, str) else list(classes)
    strings = all(isinstance(name, str) for name in names)
    if not names or not strings or len(set(names)) < len(names):
        raise ValueError(
            f"classes={classes!r} must be a list of the names of sub-folders, each "
            "once, such as the target_names of the training part."
        )
    return [str(name) for name in names]


def _check_classes(root: Path, folders: list[str], waiting: list[str]) -> None:
    """Refuse a folder whose sub-folders are no classes."""
    if not folders:
        but = f" but {waiting}, which have no label" if waiting else ""
        raise ValueError(
            f"path={str(root)!r} has no sub-folders{but}. Put the images of each class "
            "into a sub-folder named after it: path/cat/1.jpg, path/dog/1.jpg."
        )
    parts = parts_of_data_set(folders)
    if parts:
        first, *more = parts
        call = f"{first} = load_image_folder({str(root / first)!r})"
        for name in more:
            call += (
                f"; {name} = load_image_folder({str(root / name)!r}, "
                f"classes={first}.target_names)"
            )
        raise ValueError(
            f"path={str(root)!r} holds {parts}, which are parts of a data set "
            f"and no classes by their names. Load each by itself: {call}. If they are "
            "classes, name all classes with classes=[...]."
        )


def _check_known(root: Path, folders: list[str], names: list[str]) -> None:
    unknown = [name for name in folders if name not in names]
    if unknown:
        raise ValueError(
            f"path={str(root)!r} has the sub-folders {unknown}, which classes={names} "
            "does not name. Add them there, or move them elsewhere."
        )
    if not folders:
        raise ValueError(f"path={str(root)!r} has no sub-folder of classes={names}.")


def _report_empty(root: Path, empty: list[str], *, fatal: bool) -> None:
    text = f"path={str(root)!r}: no images in the sub-folders {empty}."
    if fatal:
        raise ValueError(
            f"{text} Remove them, name all classes with classes=[...], or use one of "
            f"the suffixes {', '.join(IMAGE_SUFFIXES)}."
        )
    warn(text)
