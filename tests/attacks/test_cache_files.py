"""Damage, races, links, rights and full disks: no wrong row, no end of a run."""

import errno
import multiprocessing
import os
import sqlite3
import stat
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from skknn.extraction import RowCache, _cache_file
from skknn.utils._behaviour import Answer, Behaviour

# `make attack` asks for ten times as much.
TIMES = int(os.environ.get("SKKNN_ATTACK", "1"))
SETTINGS = {"a": 1}
posix = pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")


def rows(n, width=64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.bytes(20) for _ in range(n)], rng.normal(size=(n, width)).astype("f4")


KEYS, VALUES = rows(300)
BEHAVIOUR = Behaviour([Answer(VALUES[:3], 1e-4)])


def check_found(found):
    for key, value in found.items():
        np.testing.assert_array_equal(value, VALUES[KEYS.index(key)])


@contextmanager
def caught():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        messages = []
        yield messages
    messages += [str(warning.message) for warning in seen]


@pytest.fixture(scope="module")
def good():
    """Name and bytes of a file of 200 rows, and of a log that was left with it."""
    with tempfile.TemporaryDirectory() as folder:
        cache = RowCache(folder, SETTINGS, BEHAVIOUR)
        cache.put(KEYS[:100], VALUES[:100])
        cache.close()
        closed = cache.path.read_bytes()
        cache = RowCache(folder, SETTINGS, BEHAVIOUR)
        cache.put(KEYS[100:200], VALUES[100:200])
        left = {
            suffix: Path(f"{cache.path}{suffix}").read_bytes()
            for suffix in ("", "-wal", "-shm")
        }
        cache.close()
        return cache.path.name, {"": closed}, left


def damage(data, rng):
    """Change one to three bytes, half of them near the heads of pages."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(data)))
        if rng.random() < 0.5:
            place = min(len(data) - 1, place // 16384 * 16384 + int(rng.integers(200)))
        data[place] = rng.integers(256)
    return data


@pytest.mark.parametrize("seed", range(3))
def test_any_changed_bytes(seed, good, tmp_path):
    rng = np.random.default_rng(seed)
    name, closed, left = good
    n_renamed = 0
    for i in range(100 * TIMES):
        folder = tmp_path / str(i)
        folder.mkdir()
        files = closed if i % 3 else left
        hit = sorted(files)[int(rng.integers(len(files)))]
        for suffix, data in files.items():
            content = damage(data, rng) if suffix == hit else data
            (folder / f"{name}{suffix}").write_bytes(content)
        with caught() as messages:
            with RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
                check_found(cache.get(KEYS))
                cache.put(KEYS, VALUES)
                check_found(cache.get(KEYS))
            with RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
                found = cache.get(KEYS)
        check_found(found)
        assert len(found) == 300
        assert all("renamed" in message for message in messages)
        n_renamed += bool(messages)
        for file in folder.iterdir():
            file.unlink()
    assert n_renamed > 20 * TIMES


def drop_table(db):
    db.execute("DROP TABLE rows")


def drop_behaviours(db):
    db.execute("DROP TABLE behaviours")


def empty_identity(db):
    db.execute("DELETE FROM identity")


def other_column(db):
    db.execute("ALTER TABLE rows RENAME COLUMN crc TO sum")


def view_instead(db):
    db.execute("ALTER TABLE rows RENAME TO old")
    db.execute("CREATE VIEW rows AS SELECT * FROM old")


def trigger(db):
    db.execute(
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN UPDATE rows SET row = x'00'; END"
    )


def text_for_a_row(db):
    db.execute("UPDATE rows SET row = 'text'")


def half_a_number(db):
    db.execute("UPDATE rows SET row = substr(row, 1, 7)")


def rows_swapped(db):
    db.execute("UPDATE rows SET row = (SELECT row FROM rows LIMIT 1)")


def behaviour_swapped(db):
    db.execute("UPDATE behaviours SET answers = zeroblob(length(answers))")


def rows_of_another_behaviour(db):
    db.execute("UPDATE rows SET behaviour = 2")
    db.execute("UPDATE behaviours SET id = 2")


CHANGES = [
    drop_table,
    drop_behaviours,
    empty_identity,
    other_column,
    view_instead,
    trigger,
    text_for_a_row,
    half_a_number,
    rows_swapped,
    behaviour_swapped,
    rows_of_another_behaviour,
]


def change_content(path, change):
    db = sqlite3.connect(path, isolation_level=None)
    change(db)
    db.close()


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_content_that_others_changed(change, tmp_path):
    with RowCache(tmp_path, SETTINGS, BEHAVIOUR) as cache:
        cache.put(KEYS, VALUES)
    change_content(cache.path, change)
    with pytest.warns(UserWarning, match="renamed"):
        with RowCache(tmp_path, SETTINGS, BEHAVIOUR) as cache:
            check_found(cache.get(KEYS))
            cache.put(KEYS, VALUES)
            assert len(cache.get(KEYS)) == 300
    with caught() as messages, RowCache(tmp_path, SETTINGS, BEHAVIOUR) as cache:
        assert len(cache.get(KEYS)) == 300
    assert not messages


@pytest.mark.parametrize("change", [drop_table, other_column, trigger])
def test_content_that_others_change_during_a_run(change, tmp_path):
    with caught() as messages:
        with RowCache(tmp_path, SETTINGS, BEHAVIOUR) as cache:
            cache.put(KEYS[:100], VALUES[:100])
            change_content(cache.path, change)
            check_found(cache.get(KEYS[:50]))
            cache.put(KEYS, VALUES)
            check_found(cache.get(KEYS))
        with RowCache(tmp_path, SETTINGS, BEHAVIOUR) as cache:
            check_found(cache.get(KEYS))
            cache.put(KEYS, VALUES)
            assert len(cache.get(KEYS)) == 300
    assert any("renamed" in message for message in messages)


def _meet_damage(folder, number, start, lost):
    start.wait()
    own = slice(60 * number, 60 * number + 60)
    with caught() as messages, RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
        check_found(cache.get(KEYS))
        for low in range(own.start, own.stop, 10):
            cache.put(KEYS[low : low + 10], VALUES[low : low + 10])
    with RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
        found = cache.get(KEYS[own])
    check_found(found)
    lost.put((60 - len(found), [m for m in messages if "renamed" not in m]))


@posix
@pytest.mark.parametrize("moment", ["opening", "reading"])
def test_processes_that_meet_a_damaged_file_at_once(moment, tmp_path):
    """One of them sets it aside; nothing of the new file is lost."""
    context = multiprocessing.get_context("fork")
    for i in range(5 * TIMES):
        folder = tmp_path / str(i)
        with RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
            cache.put(KEYS, VALUES)
        if moment == "opening":
            cache.path.write_bytes(b"no database at all" * 2000)
        else:
            change_content(cache.path, rows_swapped)
        start, lost = context.Event(), context.Queue()
        processes = [
            context.Process(target=_meet_damage, args=(folder, number, start, lost))
            for number in range(5)
        ]
        for process in processes:
            process.start()
        start.set()
        found = [lost.get(timeout=60) for _ in processes]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 5
        assert [messages for _, messages in found] == [[]] * 5
        # A process may lose the batch that it wrote while another renamed the file.
        assert all(n_lost in (0, 10) for n_lost, _ in found)
        aside = [
            file for file in folder.glob("*.damaged-*") if file.suffix[-4:-3] != "-"
        ]
        assert len(aside) == 1


def test_a_failed_write_does_not_end_storing(tmp_path, monkeypatch):
    with caught() as messages, RowCache(tmp_path, SETTINGS) as cache:
        with monkeypatch.context() as patch:
            patch.setattr(
                _cache_file,
                "_transaction",
                raising(sqlite3.SQLITE_FULL, "disk is full"),
            )
            cache.put(KEYS[:10], VALUES[:10])
            cache.put(KEYS[10:20], VALUES[10:20])
        cache.put(KEYS[20:30], VALUES[20:30])
        assert set(cache.get(KEYS)) == set(KEYS[20:30])
    assert len(messages) == 1
    assert "written (disk is full). The run goes on without it" in messages[0]


def raising(code, text):
    @contextmanager
    def fail(db):
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        raise error
        yield

    return fail


@pytest.mark.parametrize("where", ["folder", "file", "content"])
def test_a_full_disk_at_the_start(where, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with caught() as messages, monkeypatch.context() as patch:
        if where == "folder":
            patch.setattr(Path, "mkdir", full)
        elif where == "file":
            patch.setattr(_cache_file, "_create", full)
        else:
            patch.setattr(
                _cache_file,
                "_transaction",
                raising(sqlite3.SQLITE_FULL, "disk is full"),
            )
        cache = RowCache(tmp_path / "rows", SETTINGS)
        assert cache.get(KEYS) == {}
        cache.put(KEYS, VALUES)
        cache.close()
    assert len(messages) == 1 and "goes on without it" in messages[0]


def test_a_folder_that_is_deleted_during_a_run(tmp_path):
    folder = tmp_path / "rows"
    with caught() as messages, RowCache(folder, SETTINGS) as cache:
        cache.put(KEYS[:10], VALUES[:10])
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        assert cache.get(KEYS) == {}
        cache.put(KEYS, VALUES)
        assert not folder.exists()
        # It may have been a drive that is there again.
        folder.mkdir()
        cache.put(KEYS, VALUES)
        assert len(cache.get(KEYS)) == 300
    assert len(messages) == 1 and "goes on without it" in messages[0]


def test_a_file_that_is_deleted_during_a_run_is_made_again(tmp_path):
    with caught() as messages, RowCache(tmp_path, SETTINGS) as cache:
        cache.put(KEYS[:10], VALUES[:10])
        for file in tmp_path.iterdir():
            file.unlink()
        assert cache.get(KEYS) == {}
        cache.put(KEYS, VALUES)
        assert len(cache.get(KEYS)) == 300
    assert not messages


def _only_read(folder, n_found):
    if os.getuid() == 0:
        os.setuid(65534)
    with caught() as messages, RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
        found = cache.get(KEYS)
        check_found(found)
        cache.put(KEYS, VALUES)
        cache.put(KEYS, VALUES)
    n_found.put((len(found), messages))


@posix
@pytest.mark.parametrize("left_behind", [False, True])
def test_a_folder_that_can_only_be_read(left_behind):
    """Rows are found; that others cannot be stored is said once."""
    context = multiprocessing.get_context("fork")
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "rows"
        with RowCache(folder, SETTINGS, BEHAVIOUR) as cache:
            cache.put(KEYS[:200], VALUES[:200])
        if left_behind:
            Path(f"{cache.path}-wal").write_bytes(b"")
        cache.path.chmod(0o444)
        folder.chmod(0o555)
        Path(top).chmod(0o755)
        n_found = context.Queue()
        process = context.Process(target=_only_read, args=(folder, n_found))
        process.start()
        found, messages = n_found.get(timeout=60)
        process.join()
        folder.chmod(0o755)
    assert found == 200
    assert len(messages) == 1 and "cannot be written" in messages[0]


@posix
@pytest.mark.parametrize("suffix", ["", "-wal", "-journal", "-shm"])
@pytest.mark.parametrize("target", ["there", "missing"])
def test_a_link_under_the_files_name_is_not_followed(suffix, target, tmp_path):
    victim = tmp_path / "victim"
    if target == "there":
        victim.write_bytes(b"precious")
    with RowCache(tmp_path / "elsewhere", SETTINGS) as cache:
        name = cache.path.name
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / f"{name}{suffix}").symlink_to(victim)
    with pytest.warns(UserWarning, match="renamed"):
        with RowCache(folder, SETTINGS) as cache:
            cache.put(KEYS, VALUES)
            assert len(cache.get(KEYS)) == 300
    if target == "there":
        assert victim.read_bytes() == b"precious"
    else:
        assert not victim.exists()


@posix
@pytest.mark.parametrize(
    "folder_mode, mode",
    [(0o700, 0o600), (0o755, 0o644), (0o2775, 0o664), (0o1777, 0o600)],
)
def test_a_file_has_the_rights_of_its_folder(folder_mode, mode, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    folder.chmod(folder_mode)
    with RowCache(folder, SETTINGS) as cache:
        cache.put(KEYS, VALUES)
        found = {stat.S_IMODE(os.stat(file).st_mode) for file in folder.iterdir()}
    assert found == {mode}


def test_a_file_that_cannot_be_renamed_now(tmp_path, monkeypatch):
    """As on Windows, while another process has it open."""
    with RowCache(tmp_path, SETTINGS) as cache:
        path = cache.path
    path.write_bytes(b"no database at all" * 2000)

    def refuse(*args):
        raise PermissionError(errno.EACCES, "used by another process")

    with caught() as messages, monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        cache = RowCache(tmp_path, SETTINGS)
        assert cache.get(KEYS) == {}
        cache.put(KEYS, VALUES)
    assert len(messages) == 1 and "cannot be renamed" in messages[0]
    with pytest.warns(UserWarning, match="was renamed"):
        cache.put(KEYS, VALUES)
    assert len(cache.get(KEYS)) == 300
    cache.close()


def test_behaviours_share_a_file_but_no_rows(tmp_path):
    noise = np.random.default_rng(1).normal(size=(3, 64)).astype("f4")
    for i, change in enumerate([0, 1e-3 * noise, 1e-5 * noise]):
        behaviour = Behaviour([Answer(VALUES[:3] + change, 1e-4)])
        with RowCache(tmp_path, SETTINGS, behaviour) as cache:
            # What rounding may do is the same; more is not.
            assert len(cache.get(KEYS)) == (300 if i == 2 else 0)
            cache.put(KEYS, VALUES)
    assert len(list(tmp_path.iterdir())) == 1
