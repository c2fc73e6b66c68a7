"""Resident memory of this process.

By the kernel's own count on Linux. Elsewhere only the peak since the process began is
known, where Python has the module ``resource``; Windows has none, and benchmarks that
measure memory say so.
"""

import ctypes
import gc
import os
import sys

try:
    import resource
except ImportError:  # Windows
    resource = None

_STATUS = "/proc/self/status"


def status(field):
    """A field of /proc/self/status such as VmRSS, in KiB (Linux)."""
    with open(_STATUS) as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1])
    raise KeyError(field)


def trim():
    """Give freed memory back, so that what is asked for next counts as growth.

    Where the C library is not glibc, only what Python no longer needs.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass


def reset_peak():
    """Let :func:`peak_bytes` count anew; where this is not Linux, nothing."""
    if os.path.exists(_STATUS):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def resident_bytes():
    """Bytes now; where this is not Linux, :func:`peak_bytes`."""
    return 1024 * status("VmRSS") if os.path.exists(_STATUS) else peak_bytes()


def peak_bytes():
    """Bytes at the peak since :func:`reset_peak`."""
    if os.path.exists(_STATUS):
        return 1024 * status("VmHWM")
    if resource is None:
        raise SystemExit("Memory is not measured on this system: run it on Linux.")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
