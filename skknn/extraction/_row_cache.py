"""Rows of features on disk, by the content of the image and all settings."""

import hashlib
import json
import os
import sqlite3
import time
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_APPLICATION_ID = 0x534B4B4E  # "SKKN"
_BUSY_SECONDS = 120.0


class RowCache:
    """A store of float32 rows, shared by any number of processes.

    One SQLite file (write-ahead log) for each distinct ``settings``; every
    :meth:`put` is one transaction, so a process killed at any moment loses only
    rows it had not put yet. Each row carries a checksum over key and content. A
    file that is damaged or is not ours is renamed, with a warning, and a new one
    begun.

    Parameters
    ----------
    folder : str or Path
        Made when it does not exist.
    settings : dict
        Everything besides the image that the row depends on; plain JSON types.
    """

    def __init__(self, folder: str | os.PathLike, settings: dict[str, Any]) -> None:
        self._identity = json.dumps(settings, sort_keys=True, indent=1)
        name = hashlib.blake2b(self._identity.encode(), digest_size=12).hexdigest()
        self.path = Path(folder).expanduser() / f"rows-{name}.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"memory={str(folder)!r} cannot be used as a folder ({error}). Pass a "
                "folder that can be written, or None."
            ) from error
        self._full = False
        self._open()

    def get(self, keys: list[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the rows that are there.

        Parameters
        ----------
        keys : list of bytes

        Returns
        -------
        dict key -> ndarray of float32
        """
        found = {}
        keys = list(dict.fromkeys(keys))
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            try:
                rows = self._db.execute(
                    f"SELECT key, crc, row FROM rows WHERE key IN ({marks})", part
                ).fetchall()
                for key, crc, row in rows:
                    if _checksum(key, row) != crc:
                        raise sqlite3.DatabaseError("a row's checksum is wrong")
                    found[key] = np.frombuffer(row, dtype="<f4")
            except sqlite3.OperationalError as error:
                raise self._unusable(error) from error
            except sqlite3.DatabaseError as error:
                self._set_aside(str(error))
                return {}
        return found

    def missing(self, key: bytes) -> frozenset[str] | None:
        """Return None: of a row that is not there all is missing."""
        return None

    def put(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Store rows in one transaction; rows that are there already stay."""
        if self._full:
            return
        records = []
        for key, row in zip(keys, rows, strict=True):
            data = np.ascontiguousarray(row, dtype="<f4").tobytes()
            records.append((key, _checksum(key, data), data))
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(
                    "INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", records
                )
        except sqlite3.OperationalError as error:
            # Hours of work must not be lost because the disk is full.
            self._full = True
            warnings.warn(
                f"The row cache {str(self.path)!r} cannot be written any more "
                f"({error}); the run goes on without storing rows.",
                UserWarning,
                stacklevel=2,
            )
        except sqlite3.DatabaseError as error:
            self._set_aside(str(error))
            self.put(keys, rows)

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM rows").fetchone()[0]

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "RowCache":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _open(self) -> None:
        try:
            self._connect()
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(str(error))

    def _connect(self) -> None:
        db = self._db = sqlite3.connect(
            self.path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        self._inode = _inode(self.path)
        db.execute("PRAGMA page_size=16384")
        self._retry("BEGIN IMMEDIATE")
        try:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                db.execute("CREATE TABLE identity (text TEXT NOT NULL)")
                db.execute("INSERT INTO identity VALUES (?)", (self._identity,))
                db.execute(
                    "CREATE TABLE rows (key BLOB PRIMARY KEY, crc INTEGER NOT NULL, "
                    "row BLOB NOT NULL)"
                )
            mine = db.execute("PRAGMA application_id").fetchone()[0]
            if mine != _APPLICATION_ID:
                raise sqlite3.DatabaseError("it was not made by skknn")
            if db.execute("SELECT text FROM identity").fetchall() != [
                (self._identity,)
            ]:
                raise sqlite3.DatabaseError("it belongs to other settings")
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._retry("PRAGMA journal_mode=WAL")
        # In WAL mode a killed process loses nothing that was committed.
        db.execute("PRAGMA synchronous=NORMAL")

    def _retry(self, statement: str) -> None:
        # Changing the journal mode does not wait for other processes by itself.
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _set_aside(self, reason: str) -> None:
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        # Another process may have done it already: then the file is a new one.
        with suppress(FileNotFoundError):
            if _inode(self.path) == self._inode:
                os.rename(self.path, aside)
                for suffix in ("-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
                warnings.warn(
                    f"The row cache {str(self.path)!r} cannot be used ({reason}). It "
                    f"was renamed to {aside.name!r} and a new one is begun.",
                    UserWarning,
                    stacklevel=3,
                )
        self._connect()

    def _unusable(self, error: Exception) -> OSError:
        return OSError(
            f"The row cache {str(self.path)!r} cannot be opened or read ({error}). "
            "Pass a folder in memory= that can be read and written, or None."
        )


def _checksum(key: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(key))


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
