"""Scripts of the folder of benchmarks, where that is there."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Import a script of the folder of benchmarks by name."""
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not part of the wheel")
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module
