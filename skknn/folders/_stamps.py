"""Whether anything has changed since an answer was written."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from ._contents import FolderContents


def fingerprint_of(
    contents: FolderContents,
    groups: Iterable[Any] | None,
    settings: dict[str, Any],
    *,
    backbone: Any,
    weights: Any,
) -> str | None:
    """Digest of all that an answer follows from: files, settings and this version.

    Files are known by name, size and time of change.

    Parameters
    ----------
    contents : FolderContents
    groups : iterable or None
        Group of each labelled photo.
    settings : dict
        Of :func:`settings_of`.
    backbone, weights : object
        As they were given; files that they name are known in the same way.

    Returns
    -------
    str or None
        None if nobody can tell whether a setting is the same, such as a module.
    """
    if not settings["reproducible"]:
        return None
    # Where the folders lie does not matter.
    kept = {n: value for n, value in settings.items() if n not in ("folder", "new")}
    text = json.dumps(kept, sort_keys=True)
    digest = hashlib.sha256(text.encode())
    digest.update(repr(_weights_stamps(backbone, weights)).encode())
    for name, label in zip(contents.labelled, contents.labels):
        digest.update(repr((name, label, *_stamp(contents.root / name))).encode())
    for name in contents.waiting:
        digest.update(repr((name, *_stamp(contents.root / name))).encode())
    digest.update(
        repr((contents.skipped, None if groups is None else list(groups))).encode()
    )
    return digest.hexdigest()


def _weights_stamps(backbone: Any, weights: Any) -> list[tuple[str, int, int]]:
    """Stamps of the files that weights come from, where they come from files."""
    params = {"backbone": backbone, "weights": weights}
    if isinstance(backbone, BaseEstimator):
        params = backbone.get_params(deep=False)
    stamps = []
    for place in (params.get("backbone"), params.get("weights")):
        if not isinstance(place, (str, os.PathLike)):
            continue
        path = os.path.expanduser(str(place).removeprefix("local-dir:"))
        if os.path.isfile(path):
            stamps.append(("", *_stamp(path)))
        elif str(place).startswith("local-dir:"):
            inside = sorted(Path(path).rglob("*"))
            stamps += [(file.name, *_stamp(file)) for file in inside if file.is_file()]
    return stamps


def _stamp(path: str | os.PathLike) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
