"""Which photos belong together, such as those of one burst."""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    places = [PurePosixPath(file) for file in files]
    return np.array(
        [str(place.parent if len(place.parts) > 2 else place) for place in places]
    )
