"""numba's compiler with this package's options; imported when compiled loops are."""

from collections.abc import Callable
from typing import Any

import numba  # noqa: TID253


def jit(function: Callable | None = None, **options: Any) -> Callable:
    """Compile a function from arrays to arrays when it is first called.

    Compiled loops release the interpreter lock, run on the calling thread, and are
    kept in numba's cache where it can be written to.
    """
    if function is None:
        return lambda function: jit(function, **options)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in may be written to
        return numba.njit(**options)(function)
