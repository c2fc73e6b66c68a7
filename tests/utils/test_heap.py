"""What threads freed goes back to the system."""

import subprocess
import sys

import pytest

# Blocks below glibc's largest threshold, of many sizes, in threads.
SCRIPT = """
import os, threading
from skknn.utils._heap import trim_heap

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def work(seed):
    kept = []
    for i in range(60):
        blocks = [bytearray(2**20 * (1 + (seed + i + j) % 20)) for j in range(4)]
        kept.append(bytearray(4000))
    return kept

threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
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
    assert after < before - 2**22


def test_trimming_elsewhere_does_nothing(monkeypatch):
    from skknn.utils import _heap

    monkeypatch.setattr(_heap.sys, "platform", "darwin")
    _heap._find_trim.cache_clear()
    try:
        assert _heap._find_trim() is None
        _heap.trim_heap()
    finally:
        _heap._find_trim.cache_clear()
