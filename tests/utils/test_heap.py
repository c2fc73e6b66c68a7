"""What threads freed goes back to the system."""

import subprocess
import sys

import pytest

# Freed blocks below one that stays, all of them too small to have pages of their own.
SCRIPT = """
import os
from skknn.utils._heap import trim_heap

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

blocks = [bytearray(2**16) for _ in range(1600)]
stays = bytearray(2**16)
blocks.clear()
before = resident()
trim_heap()
print(before, resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_trimmed_memory_is_the_systems():
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    before, after = map(int, out.stdout.split())
    assert after < before - 50e6


def test_trimming_elsewhere_does_nothing(monkeypatch):
    from skknn.utils import _heap

    monkeypatch.setattr(_heap.sys, "platform", "darwin")
    _heap._find_trim.cache_clear()
    try:
        assert _heap._find_trim() is None
        _heap.trim_heap()
    finally:
        _heap._find_trim.cache_clear()
