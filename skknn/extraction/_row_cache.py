"""Rows of features on disk, by the content of the item and all settings."""

import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..utils._behaviour import Behaviour
from ..utils._warn import warn
from ._cache_file import CacheFile, DamagedFileError

_Result = TypeVar("_Result")
# How often a file is set aside before the run goes on without one.
_FILES = 3
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class RowCache:
    """A store of float32 rows, shared by any number of processes.

    One file (see :class:`~skknn.extraction._cache_file.CacheFile`) for each distinct
    ``settings``; within it rows belong to the behaviour of what made them. A file
    that is damaged or is not ours is renamed, with a warning, and a new one begun.
    Where the disk is full or the folder gone a run goes on without, with one warning,
    and tries again with every batch.

    Parameters
    ----------
    folder : str or Path
        Made when it does not exist.
    settings : dict
        Everything besides the item that the row depends on and that can be written
        down; plain JSON types.
    behaviour : Behaviour, optional
        What computes the rows, by what it does.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        settings: dict[str, Any],
        behaviour: Behaviour | None = None,
    ) -> None:
        where = Path(folder).expanduser()
        self._warned = False
        identity = json.dumps(settings, sort_keys=True, indent=1)
        self._file = CacheFile(where, identity, behaviour or Behaviour(()))
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise OSError(
                    f"memory={str(folder)!r} cannot be used as a folder ({error}). "
                    "Pass a folder that can be written, or None."
                ) from error
        self._attempt("opened", self._file.open, None, beginning=True)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def get(self, keys: list[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the rows that are there.

        Parameters
        ----------
        keys : list of bytes

        Returns
        -------
        dict key -> ndarray of float32
        """
        asked = list(dict.fromkeys(keys))
        nothing: dict[bytes, bytes] = {}
        found = self._attempt("read", lambda: self._file.select(asked), nothing)
        return {key: np.frombuffer(row, dtype="<f4") for key, row in found.items()}

    def missing(self, key: bytes) -> frozenset[str] | None:
        """Return None: of a row that is not there all is missing."""
        return None

    def put(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Store rows in one transaction; rows that are there already stay."""
        records = {
            key: np.ascontiguousarray(row, dtype="<f4").tobytes()
            for key, row in zip(keys, rows, strict=True)
        }
        self._attempt("written", lambda: self._file.insert(records), None)

    def __len__(self) -> int:
        return len(self._file)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "RowCache":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _attempt(
        self,
        what: str,
        act: Callable[[], _Result],
        otherwise: _Result,
        *,
        beginning: bool = False,
    ) -> _Result:
        """Act on the file, on a new one where it is damaged, or go on without."""
        reason: Exception | None = None
        for _ in range(_FILES):
            try:
                return act()
            except DamagedFileError as error:
                reason = error
            except (sqlite3.Error, OSError) as error:
                if beginning and not _may_pass(error):
                    raise OSError(
                        f"The row cache {str(self.path)!r} cannot be opened or read "
                        f"({error}). Pass a folder in memory= that can be read and "
                        "written, or None."
                    ) from error
                reason = error
                if self._file.moved:
                    continue
                break
            try:
                self._file.set_aside(str(reason))
            except OSError as error:
                # Windows renames no file that another process has open.
                reason = OSError(f"{reason}; it cannot be renamed: {error}")
                break
        # Hours of work must not be lost because the disk is full.
        if not self._warned:
            self._warned = True
            warn(
                f"The row cache {str(self.path)!r} cannot be {what} ({reason}). The "
                "run goes on without it, and tries again with every batch."
            )
        return otherwise


def _may_pass(error: Exception) -> bool:
    """Whether a folder that cannot be used now was the right one."""
    if isinstance(error, OSError):
        return error.errno in _DISK_FULL or isinstance(error, FileNotFoundError)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
