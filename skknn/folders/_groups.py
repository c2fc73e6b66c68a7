"""Which photos belong together, such as those of one burst."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._warn import warn
from ._enough import LEAST, is_enough, listed_counts

Groups = str | Callable[[str], Any] | None


def groups_of(files: Sequence[str], groups: Groups) -> NDArray[Any] | None:
    """Name the group of each photo.

    Parameters
    ----------
    files : sequence of str
        Relative to the folder, with "/" in between: "cat/burst7/3.jpg".
    groups : None, "subfolders" or callable
        ``"subfolders"``: photos of one folder inside a class folder, and each photo
        that lies in the class folder by itself. A function gets the file.

    Returns
    -------
    ndarray of shape (n,), of str, or None

    Raises
    ------
    ValueError
        For another ``groups``.

    Warns
    -----
    UserWarning
        If no photo lies in a folder inside its class folder.
    """
    if groups is None:
        return None
    if callable(groups):
        return np.array([str(groups(file)) for file in files])
    if groups != "subfolders":
        raise ValueError(
            f"groups={groups!r} must be None, 'subfolders' (photos of one folder "
            "inside a class folder belong together), or a function from a file, as in "
            "'cat/burst7/3.jpg', to the name of its group."
        )
    if not any(_in_subfolder(PurePosixPath(file)) for file in files):
        warn(
            "groups='subfolders': no sub-folders inside the class folders, so each "
            "photo is its own group. Put the photos of each burst into a folder: "
            "cat/burst7/3.jpg."
        )
    return _by_folder(files)


def check_groups(labels: Sequence[str], groups: NDArray[Any] | None) -> None:
    """Refuse groups of which some cannot be held out while others are learnt from.

    Parameters
    ----------
    labels : sequence of str
    groups : ndarray of shape (n,) or None
        One a label.

    Raises
    ------
    ValueError
        If there are not two classes of three groups.
    """
    if groups is None:
        return
    counts = Counter(label for label, _ in {*zip(labels, groups.tolist())})
    if is_enough(counts):
        return
    raise ValueError(
        f"groups: at least two classes need photos of {LEAST} groups that can "
        "be read, so that one is predicted while others are learnt from; groups of "
        f"each class: {listed_counts(counts)}. Make smaller groups, or leave groups "
        "away."
    )


def _by_folder(files: Sequence[str]) -> NDArray[Any]:
    places = [PurePosixPath(file) for file in files]
    return np.array(
        [str(place.parent if _in_subfolder(place) else place) for place in places]
    )


def _in_subfolder(place: PurePosixPath) -> bool:
    """Whether a photo lies in a folder inside its class folder."""
    return len(place.parts) > 2
