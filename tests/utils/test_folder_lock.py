"""Folders that may be written, but not listed, as drop boxes are."""

import multiprocessing
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from skknn.extraction._row_cache import RowCache
from skknn.folders._written import write_together
from skknn.utils._folder_lock import alone_in

posix = pytest.mark.skipif(os.name == "nt", reason="there are no such locks")


def _write_results(folder):
    write_together(folder, {"a.txt": lambda path: path.write_text("a")})
    return (folder / "a.txt").read_text()


def _keep_rows(folder):
    with RowCache(folder, {"name": "x"}) as cache:
        cache.put([b"k"], [np.ones(3, dtype=np.float32)])
        return len(cache.get([b"k"]))


def _as_somebody(work, folder, answers):
    if os.getuid() == 0:  # who may do everything
        os.setuid(65534)
    try:
        os.listdir(folder)
        answers.put("can be listed")
    except PermissionError:
        try:
            answers.put(work(folder))
        except Exception as error:
            answers.put(repr(error))


@posix
@pytest.mark.parametrize("work, answer", [(_write_results, "a"), (_keep_rows, 1)])
def test_a_folder_that_cannot_be_listed(work, answer):
    context = multiprocessing.get_context("fork")
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "folder"
        folder.mkdir()
        folder.chmod(0o333)
        Path(top).chmod(0o755)
        answers = context.Queue()
        process = context.Process(target=_as_somebody, args=(work, folder, answers))
        process.start()
        found = answers.get(timeout=60)
        process.join()
        folder.chmod(0o755)
    assert found == answer


@posix
def test_one_at_a_time(tmp_path):
    order, entered = [], threading.Event()

    def second():
        entered.wait(30)
        with alone_in(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    with alone_in(tmp_path):
        entered.set()
        thread.join(0.2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


@posix
def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), alone_in(tmp_path / "none"):
        pass
