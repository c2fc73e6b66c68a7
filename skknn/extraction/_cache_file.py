"""One SQLite file of rows: made safely, checked, set aside when it is damaged."""

import hashlib
import os
import sqlite3
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..utils._behaviour import Behaviour
from ..utils._folder_lock import alone_in
from ..utils._warn import warn

_APPLICATION_ID = 0x534B4B4E  # "SKKN"
_SCHEMA = (
    "CREATE TABLE identity (text TEXT NOT NULL)",
    "CREATE TABLE behaviours (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, "
    "answers BLOB NOT NULL)",
    "CREATE TABLE rows (behaviour INTEGER NOT NULL, key BLOB NOT NULL, "
    "crc INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (behaviour, key))",
)
# What SQLite keeps beside a file.
_COMPANIONS = ("-journal", "-wal", "-shm")
# How long another process may hold the file.
_BUSY_SECONDS = 120.0
# Rows that one statement asks for.
_AT_ONCE = 500
# SQLite's errors about other processes, the disk or rights: the content may be good.
_SURROUNDINGS = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


class DamagedFileError(Exception):
    """A file does not hold what was written to it, or was not made here."""


class CacheFile:
    """Rows of one behaviour in the file of their settings.

    Every :meth:`insert` is one transaction of the write-ahead log, so a process that
    is killed loses only rows that it had not inserted. Each row has a checksum over
    key and content. Where the folder cannot be written the file is only read.

    Parameters
    ----------
    folder : Path
        Exists.
    identity : str
        Text that names the settings.
    behaviour : Behaviour
        Its rows are those read and written.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, folder: Path, identity: str, behaviour: Behaviour) -> None:
        name = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
        self.path = folder / f"rows-{name}.sqlite"
        self._identity, self._behaviour = identity, behaviour
        self._db: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._number: int | None = None
        self._patience = _BUSY_SECONDS

    def open(self) -> None:
        """Open the file, or the one that is there now under its name.

        Raises
        ------
        DamagedFileError
        sqlite3.Error, OSError
            For reasons that are not the file's content.
        """
        if self._db is not None and not self.moved:
            return
        self.close()
        with alone_in(self.path.parent), self._errors():
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    @property
    def moved(self) -> bool:
        """Whether another file, or none, is now where this one was."""
        return _inode(self.path) != self._inode

    def close(self) -> None:
        """Close the file; :meth:`open` opens it again."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def select(self, keys: list[bytes]) -> dict[bytes, bytes]:
        """Return the rows that are there; raises as :meth:`open` does."""
        self.open()
        with self._errors() as db:
            return self._select(db, keys)

    def insert(self, rows: Mapping[bytes, bytes]) -> None:
        """Write rows; those that are there stay. Raises as :meth:`open` does."""
        self.open()
        with self._errors() as db:
            db.execute(f"PRAGMA busy_timeout={int(1000 * self._patience)}")
            # A second failure must not take as long.
            self._patience = 1.0
            with _transaction(db):
                db.executemany(
                    "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)",
                    [
                        (self._number, key, _checksum(self._number, key, row), row)
                        for key, row in rows.items()
                    ],
                )
            self._patience = _BUSY_SECONDS
            # Rows that the file loses would be computed again for ever.
            if self._select(db, list(rows)).keys() != rows.keys():
                raise DamagedFileError("rows that were written are not found")

    def __len__(self) -> int:
        with self._errors() as db:
            return db.execute("SELECT count(*) FROM rows").fetchone()[0]

    def set_aside(self, reason: str) -> None:
        """Rename the file, unless another process has done so, and warn."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        with alone_in(self.path.parent):
            if self.moved:
                return
            self.close()
            # The file itself last: until then others take nothing else for it.
            for suffix in (*_COMPANIONS, ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}{suffix}", f"{aside}{suffix}")
        warn(
            f"The row cache {str(self.path)!r} cannot be used ({reason}). It was "
            f"renamed to {aside.name!r} and a new one is begun."
        )

    def _open(self) -> None:
        self._inode = _inode(self.path)
        self._check_files()
        folder = self.path.parent
        writable = os.access(folder, os.W_OK) and (
            self._inode is None or os.access(self.path, os.W_OK)
        )
        if not writable:
            self._open_to_read()
            return
        if self._inode is None:
            _create(self.path)
            self._inode = _inode(self.path)
        db = self._connect("rw")
        db.execute("PRAGMA page_size=16384")
        with _transaction(db):
            if not _schema(db):
                db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("INSERT INTO identity VALUES (?)", (self._identity,))
            self._check_content(db)
            self._number = self._find_behaviour(db, add=True)
        # Changing the journal mode does not wait for other processes by itself.
        deadline = time.monotonic() + self._patience
        while True:
            try:
                db.execute("PRAGMA journal_mode=WAL").fetchall()
                break
            except sqlite3.OperationalError as error:
                busy = _primary_code(error) in (
                    sqlite3.SQLITE_BUSY,
                    sqlite3.SQLITE_LOCKED,
                )
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        # In this mode a killed process loses nothing that was committed.
        db.execute("PRAGMA synchronous=NORMAL")

    def _open_to_read(self) -> None:
        # SQLite reads a log only where it may write beside it; without one (or with
        # one that was left by a killed process) the file by itself is complete.
        for how in ("ro", "ro&immutable=1"):
            try:
                db = self._connect(how)
                self._check_content(db)
                self._number = self._find_behaviour(db, add=False)
                return
            except sqlite3.OperationalError:
                self.close()
                if "immutable" in how:
                    raise

    def _select(self, db: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
        found = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            rows = db.execute(
                "SELECT behaviour, key, crc, row FROM rows "
                f"WHERE behaviour = ? AND key IN ({marks})",
                [self._number, *part],
            )
            for number, key, crc, row in rows:
                if _checksum(number, key, row) != crc or len(row) % 4:
                    raise DamagedFileError("a row's checksum is wrong")
                found[key] = row
        return found

    def _connect(self, mode: str) -> sqlite3.Connection:
        self._db = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.execute("PRAGMA trusted_schema=OFF")
        self._db.execute("PRAGMA cell_size_check=ON")
        return self._db

    def _check_files(self) -> None:
        """Follow no link, and open nothing that is no regular file."""
        for suffix in ("", *_COMPANIONS):
            with suppress(FileNotFoundError):
                mode = os.lstat(f"{self.path}{suffix}").st_mode
                if stat.S_ISDIR(mode):
                    raise IsADirectoryError(f"{self.path.name}{suffix} is a folder")
                if not stat.S_ISREG(mode):
                    raise DamagedFileError("it is a link or device, and no file")

    def _check_content(self, db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise DamagedFileError("it was not made by skknn")
        if _schema(db) != sorted(_SCHEMA):
            raise DamagedFileError("its tables are not those that were made")
        if db.execute("SELECT text FROM identity").fetchall() != [(self._identity,)]:
            raise DamagedFileError("it belongs to other settings")

    def _find_behaviour(self, db: sqlite3.Connection, *, add: bool) -> int | None:
        """Return the number of the behaviour; None where it is new and not added."""
        known = []
        for number, crc, answers in db.execute("SELECT * FROM behaviours"):
            if _checksum(number, b"", answers) != crc:
                raise DamagedFileError("the checksum of a behaviour is wrong")
            known.append((self._behaviour.difference(answers), number))
        difference, number = min(known, default=(float("inf"), 0))
        if difference <= 1:
            return number
        if not add:
            return None
        number = 1 + max((number for _, number in known), default=0)
        answers = self._behaviour.to_bytes()
        crc = _checksum(number, b"", answers)
        db.execute("INSERT INTO behaviours VALUES (?, ?, ?)", (number, crc, answers))
        return number

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        """Give the open file; tell damage from what surrounds the file."""
        try:
            yield self._db  # type: ignore[misc]  # None only while it is opened
        except sqlite3.Error as error:
            if _primary_code(error) in _SURROUNDINGS and not self._claims_read_only(
                error
            ):
                raise
            raise DamagedFileError(str(error)) from error
        except (TypeError, ValueError, OverflowError) as error:
            # Numbers or text where there was none.
            raise DamagedFileError(f"{type(error).__name__}: {error}") from error

    def _claims_read_only(self, error: sqlite3.Error) -> bool:
        """Whether the content of a file that may be written forbids it."""
        return (
            _primary_code(error) == sqlite3.SQLITE_READONLY
            and not self.moved
            and os.access(self.path, os.W_OK)
            and os.access(self.path.parent, os.W_OK)
        )


def _schema(db: sqlite3.Connection) -> list[str]:
    # Indices that SQLite makes by itself have no text.
    rows = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return sorted(str(sql) for (sql,) in rows)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's code without its details; errors of Python's have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _checksum(number: int | None, key: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(key, zlib.crc32(str(number).encode())))


def _create(path: Path) -> None:
    """Make an empty file, never through a link, with the rights of its folder."""
    rights = stat.S_IMODE(os.stat(path.parent).st_mode)
    # Where everybody may write, nobody else should have a say about the content.
    rights = 0o600 if rights & stat.S_IWOTH else rights & 0o666
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with suppress(FileExistsError):
        descriptor = os.open(path, flags, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, rights)
        finally:
            os.close(descriptor)


def _inode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None
