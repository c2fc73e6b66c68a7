"""How many threads numpy's matrix products take."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
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
    pools = _controller().lib_controllers
    return min((pool.num_threads for pool in pools), default=cpu_count())


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Let matrix products of this process take one thread."""
    with _BLAS.held():
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
    with _BLAS.held():
        yield


@cache
def _controller() -> ThreadpoolController:
    # Looking for the loaded libraries takes 5 ms; numpy's never changes. That of faiss
    # has a number for each thread, which another thread could not restore.
    found = ThreadpoolController().select(user_api="blas")
    files = [library.filepath for library in found.lib_controllers]
    own = [file for file in files if any("numpy" in part for part in Path(file).parts)]
    # Others than wheels of numpy have one library for all.
    return found.select(filepath=own) if own else found


def _take_control() -> None:
    """Let this thread change the number.

    From 3.8 on threadpoolctl heeds only the thread that was first to change it, as
    long as that lives, and none of the others notices.
    """
    openblas: Any = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(openblas, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _limit() -> Any:
    _take_control()
    return _controller().limit(limits=1)


def _restore(limiter: Any) -> None:
    # Perhaps another thread than the one that was first.
    _take_control()
    limiter.restore_original_limits()
    _take_control()  # the next to come is free to


_BLAS = SharedSetting(_limit, _restore)
