"""Runs that are killed or interrupted at random moments lose next to nothing."""

import multiprocessing
import os
import random
import signal
import sqlite3
import time

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder
from skknn.utils._behaviour import N_QUESTIONS

N_IMAGES, BATCH, N_KILLS = 2000, 32, 20
# Pictures that fit, the key and the cache ask the network about at the start of a run.
N_ASKED = N_QUESTIONS + 3
IMAGES = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 6, 6, 3), dtype=np.uint8)


class Logging(torch.nn.Module):
    """Writes one byte to a file for each image it sees."""

    def __init__(self):
        super().__init__()
        self.log = os.environ.get("SKKNN_TEST_LOG", os.devnull)

    def forward(self, x):
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, b"." * len(x))
        os.close(file)
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)


def embedder(memory):
    return BackboneEmbedder(
        Logging, memory=memory, image_size=16, batch_size=BATCH, device="cpu", n_jobs=2
    )


def run(folder, log):
    # Ctrl-C reaches a program's main thread as KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["SKKNN_TEST_LOG"] = log
    embedder(folder).fit_transform(IMAGES)


@pytest.fixture(scope="module")
def start():
    """Start a run in a new process that has the libraries loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "torch",
            "timm",
            "skknn.backbones",
            "skknn.features",
            "skknn.modalities",
            "skknn.extraction",
        ]
    )

    def start(*args):
        process = context.Process(target=run, args=args)
        process.start()
        return process

    return start


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def stored(folder):
    n = 0
    for file in folder.glob("rows-*.sqlite"):
        db = sqlite3.connect(file)
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            n += db.execute("SELECT count(*) FROM rows").fetchone()[0]
        db.close()
    return n


def stop_when(process, log, computed, signal_number):
    """Send a signal once so many images have been computed."""
    deadline = time.monotonic() + 60
    while size(log) < computed and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.0005)
    os.kill(process.pid, signal_number)
    process.join()


@pytest.mark.parametrize("by", ["SIGKILL", "SIGINT"])
def test_at_most_one_batch_is_computed_again(start, tmp_path, by):
    folder, log = tmp_path / "rows", str(tmp_path / "log")
    rng = random.Random(0)
    n_kills = N_KILLS if by == "SIGKILL" else 3
    lost = 0
    for kill in range(n_kills):
        process = start(folder, log)
        # From the loading of the cache to the last rows.
        target = size(log) + rng.randrange(
            2 * (N_IMAGES - size(log)) // (n_kills - kill)
        )
        stop_when(process, log, target, getattr(signal, by))
        assert process.exitcode != 0
        lost_now = size(log) - stored(folder) - lost
        assert 0 <= lost_now <= BATCH + N_ASKED
        lost += lost_now
    assert size(log) > N_IMAGES // 4
    process = start(folder, log)
    process.join()
    assert process.exitcode == 0
    assert stored(folder) == N_IMAGES
    assert size(log) == N_IMAGES + lost + N_ASKED
    (file,) = folder.glob("rows-*.sqlite")
    db = sqlite3.connect(file)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    os.environ["SKKNN_TEST_LOG"] = log
    try:
        rows = embedder(folder).fit_transform(IMAGES)
    finally:
        del os.environ["SKKNN_TEST_LOG"]
    assert size(log) == N_IMAGES + lost + 2 * N_ASKED
    np.testing.assert_array_equal(rows, embedder(None).fit_transform(IMAGES))
