"""Whether anything has changed since an answer was written."""

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

from ._contents import FolderContents


def fingerprint_of(
    contents: FolderContents,
    groups: Iterable[Any] | None,
    settings: dict[str, Any],
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
    for name, label in zip(contents.labelled, contents.labels):
        digest.update(repr((name, label, *_stamp(contents, name))).encode())
    for name in contents.waiting:
        digest.update(repr((name, *_stamp(contents, name))).encode())
    digest.update(
        repr((contents.skipped, None if groups is None else list(groups))).encode()
    )
    return digest.hexdigest()


def _stamp(contents: FolderContents, name: str) -> tuple[int, int]:
    try:
        found = os.stat(contents.root / name)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
