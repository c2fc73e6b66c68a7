"""Runs that end at the same moment: the files in their folder are of one of them."""

import os
import threading

import pytest

from skknn.folders._written import write_together

NAMES = [f"{i}.txt" for i in range(12)]


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_files_of_two_runs_do_not_mix(tmp_path, monkeypatch):
    replace, started = os.replace, threading.Barrier(2, timeout=30)

    def slowly(one, other):
        # One is late with the first files, the other, still later, with the last.
        is_first = other.stem in ("0", "1", "2", "3", "4", "5")
        late = {"a": 0.02 if is_first else 0, "b": 0 if is_first else 0.06}
        threading.Event().wait(late[threading.current_thread().name])
        replace(one, other)

    monkeypatch.setattr(os, "replace", slowly)

    def run(text):
        def last(path):
            path.write_text(text)
            started.wait()

        write = {name: lambda path: path.write_text(text) for name in NAMES}
        write_together(tmp_path, {**write, "last.txt": last})

    threads = [
        threading.Thread(target=run, args=(t,), name=t, daemon=True) for t in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = {(tmp_path / name).read_text() for name in [*NAMES, "last.txt"]}
    assert len(found) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*NAMES, "last.txt"])
