"""How many threads the matrix products of numpy and scipy take."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import threadpoolctl
from joblib import cpu_count
from threadpoolctl import ThreadpoolController

from ._shared_setting import SharedSetting

# Multiplications: about a millisecond on one thread.
_SMALL_PRODUCT = 2**22


def blas_threads() -> int:
    """Return how many threads a matrix product may take."""
    pools = _library("numpy").lib_controllers
    return min((pool.num_threads for pool in pools), default=cpu_count())


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Let numpy's matrix products in this process take one thread."""
    with _NUMPY.held():
        yield


@contextmanager
def single_threaded_scipy() -> Iterator[None]:
    """Let scipy's products of vectors and matrices take one thread.

    Wheels of numpy and of scipy bring an OpenBLAS each. Where a solver such as L-BFGS
    takes products of rows by the one and of short vectors by the other in turns, the
    threads of each wait for more in a busy loop, and keep those of the other from the
    cores: fits took 2.4 to 11 times as long (benchmarks/solver.py --threads 0). Where
    both share a library, this does nothing.
    """
    with _SCIPY.held():
        yield


@contextmanager
def one_thread_if_small(n_multiplications: int) -> Iterator[None]:
    """Let small matrix products take one thread.

    OpenBLAS's other threads wait for the next product in a busy loop, for tens of
    milliseconds: a single query would take the other cores away from all that is
    computed next, such as the features of the next image.

    Parameters
    ----------
    n_multiplications : int
        Of all products within.
    """
    if n_multiplications > _SMALL_PRODUCT:
        yield
        return
    with _NUMPY.held():
        yield


@cache
def _library(package: str) -> ThreadpoolController:
    """What controls the library of a package's wheels.

    Others than wheels of numpy have one library for all.
    """
    import scipy.linalg  # noqa: F401  # loads that of scipy

    # Looking for the loaded libraries takes 5 ms; these never change. That of faiss
    # has a number for each thread, which another thread could not restore.
    found = ThreadpoolController().select(user_api="blas")
    # In a folder numpy.libs beside the package, or .dylibs within.
    own = []
    for library in found.lib_controllers:
        folder = Path(library.filepath).parent
        if package in (folder.name.partition(".")[0], folder.parent.name):
            own.append(library.filepath)
    shared = package == "numpy" and not own
    return found if shared else found.select(filepath=own)


def _take_control() -> None:
    """Let this thread change the number.

    From 3.8 on threadpoolctl heeds only the thread that was first to change it, as
    long as that lives, and none of the others notices.
    """
    openblas: Any = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(openblas, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _limit(package: str) -> Any:
    _take_control()
    return _library(package).limit(limits=1)


def _restore(package: str, limiter: Any) -> None:
    # Perhaps another thread than the one that was first.
    _take_control()
    # Where others have set another number meanwhile, that was a limit they had when
    # this began, and the number known here is theirs.
    if all(each.num_threads == 1 for each in _library(package).lib_controllers):
        limiter.restore_original_limits()
    _take_control()  # the next to come is free to


_NUMPY = SharedSetting(partial(_limit, "numpy"), partial(_restore, "numpy"))
_SCIPY = SharedSetting(partial(_limit, "scipy"), partial(_restore, "scipy"))
