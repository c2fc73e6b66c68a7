"""numba's compiler with this package's options; imported where compiled loops are."""

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable, **options: Any) -> Callable:
    """Compile a function from arrays to arrays when it is first called.

    It releases the interpreter lock, runs on the calling thread, and is kept in numba's
    cache where that can be written to.
    """
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in may be written to
        return numba.njit(**options)(function)
