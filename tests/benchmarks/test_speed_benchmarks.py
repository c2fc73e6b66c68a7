"""Benchmarks of speed go through, on as little as they take: nothing else runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("solver.py --rows 600 --features 8 --classes 3 --turns 1", "skknn / sklearn"),
        ("datastore.py --rows 800 --more 20 --repeats 1", "partial_fit"),
        ("scale.py --rows 800 --classes 5 --queries 50 --features 8", "joint, pred"),
        ("segmentation.py --rows 500 --channels 16 --images 1", "same labels 100"),
        (
            "neighbors.py --cases small8-3k --repeats 1 --engines brute torch",
            "small8-3k",
        ),
    ],
)
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the benchmarks are not there")
def test_it_goes_through(command, said, tmp_path):
    script, *options = command.split()
    done = subprocess.run(
        [sys.executable, FOLDER / script, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
