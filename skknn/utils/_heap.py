"""Give freed memory back to the system."""

import ctypes
import functools
import sys
from collections.abc import Callable


def trim_heap() -> None:
    """Return what was freed by all threads, where the C library keeps it.

    glibc keeps freed tensors of up to 32 MB for the thread that had them. With threads
    whose tensors have another size each time, as those of texts, hundreds of MB are
    kept that nobody uses (benchmarks/text.py). Takes some milliseconds.
    """
    trim = _find_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _find_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        # None: what this process has loaded. musl has no such function.
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
