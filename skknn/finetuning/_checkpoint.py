"""The state after an epoch, on disk whole or not at all."""

import errno
import hashlib
import io
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..modalities import ItemSource
from ..utils._warn import warn

if TYPE_CHECKING:
    from ..backbones import FrozenExtractor

# Raised whenever the same settings would train in another way.
_TRAINING_VERSION = 2
# What a state consists of, at least.
_PARTS = {"network", "optimizer", "scheduler", "history", "best", "weights"}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class Checkpoint:
    """A file that always holds a whole state, whenever the process is killed.

    Parameters
    ----------
    folder : str or Path
        Given by the user; made if it is not there, "~" is the user's own.
    key : str
        What the state belongs to; see :func:`checkpoint_key`.

    Raises
    ------
    OSError
        If nothing can be written there: before training, not after an epoch of it.
    """

    def __init__(self, folder: str | os.PathLike, key: str) -> None:
        self._file = Path(folder).expanduser() / "finetuning" / f"{key}.pt"
        self._warned = False
        if self._file.is_file():
            return  # to be read, if no more than that
        try:
            self._replace(b"", None)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise OSError(
                    f"memory={str(folder)!r} cannot be used as a folder ({error}). "
                    "Pass a folder that can be written, or None."
                ) from error

    def read(self) -> dict[str, Any] | None:
        """Return the last state, None if there is none that can be read.

        No code from the file is run.
        """
        if not self._file.is_file():
            return None
        try:
            found = torch.load(self._file, map_location="cpu", weights_only=True)
            if not isinstance(found, dict) or not _PARTS <= found.keys():
                raise ValueError("it holds something else")
            return found
        except Exception as error:
            warn(
                f"memory: the checkpoint {str(self._file)!r} cannot be read ({error}). "
                "Training begins anew."
            )
            return None

    def write(self, state: dict[str, Any]) -> None:
        """Put a state in the place of the last one."""
        held = io.BytesIO()
        torch.save(state, held)
        try:
            self._replace(held.getbuffer(), self._file)
        except OSError as error:
            # Hours of training must not be lost because the disk is full.
            if not self._warned:
                self._warned = True
                warn(
                    f"The checkpoint {str(self._file)!r} cannot be written ({error}). "
                    "Training goes on, and tries again after every epoch."
                )

    def _replace(self, data: bytes | memoryview, target: Path | None) -> None:
        """Write a file and give it its name at the end; None tries it alone."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._file.parent, suffix=".part")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target is not None:
                os.replace(name, target)
        finally:
            with suppress(OSError):
                os.unlink(name)


def checkpoint_key(
    extractor: "FrozenExtractor",
    items: ItemSource,
    codes: NDArray[np.intp],
    settings: dict[str, Any],
) -> str:
    """Return a name that is equal only where training goes the same way.

    Parameters
    ----------
    extractor : FrozenExtractor
        Before training: its weights count.
    items : ItemSource
        Of all images, whose contents count; they are read for that.
    codes : ndarray of shape (n,), intp
        Class number of each image.
    settings : dict
        Plain JSON.

    Returns
    -------
    str
    """
    contents = hashlib.blake2b(digest_size=20)
    for row in range(len(items)):
        contents.update(items.fetch(row).digest())
    contents.update(np.asarray(codes, dtype=np.int64).tobytes())
    written = {
        "training": _TRAINING_VERSION,
        "identity": extractor.identity(),
        # Functions and tensors that a module keeps as attributes show here alone.
        "answers": extractor.fingerprint().tobytes().hex(),
        "contents": contents.hexdigest(),
        "settings": settings,
    }
    text = json.dumps(written, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
