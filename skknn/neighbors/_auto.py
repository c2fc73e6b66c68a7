"""Which engine suits the rows, the queries and the machine."""

import sys
from collections.abc import Callable, Container
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._device import device_or_best, names_accelerator, resolve_device
from ._engine import Engine, Neighbors
from ._engines import make_engine
from ._rows import IndexRows

# Numbers in the rows from which another engine than numpy's can pay, queries after
# which its copy of the rows has paid, and products of numbers after which loading a
# library, about a second, has (`benchmarks/neighbors.py`).
_LARGE, _FEW_QUERIES, _PATIENCE = 2_000_000, 64, 2e10
# What an engine loads when it is first used.
_LIBRARY = {"fast": "skknn.neighbors.exact._kernels"}


def has(what: str, device: Any) -> bool:
    """Whether there is what engines need.

    ``"device"`` is one that the user asked for and no CPU, or the best one where that
    is not available, ``"cuda"`` one if none was asked for, ``"bfloat16"`` means
    products faster than float32's; else a library.
    """
    if what == "device":
        return names_accelerator(device) and device_or_best(device).type != "cpu"
    if what == "cuda":
        return device is None and resolve_device().type == "cuda"
    if what == "bfloat16":
        from ..utils._bfloat16 import bfloat16_pays

        return bfloat16_pays()
    return find_spec(what) is not None


def choose(
    size: int, n_queries: float, has: Callable[[str], bool], loaded: Container[str]
) -> str:
    """Name of the fastest exact engine for rows of ``size`` numbers.

    ``n_queries`` are those that the index was asked for so far, those that come
    included; ``has`` is like :func:`has`, ``loaded`` holds modules that are imported.
    """
    if has("device"):
        return "torch"
    if size < _LARGE or n_queries < _FEW_QUERIES:
        return "brute"
    order = {"cuda": "torch", "numba": "fast", "bfloat16": "torch", "faiss": "faiss"}
    best = next((name for what, name in order.items() if has(what)), "brute")
    paid = _LIBRARY.get(best, best) in loaded or n_queries * size >= _PATIENCE
    return best if paid else "brute"


class AutoEngine(Engine):
    """The fastest exact engine, by whose name it goes; few queries stay with numpy."""

    def __init__(self, rows: IndexRows, device: Any, n_jobs: int | None) -> None:
        self.rows, self.device, self.n_jobs = rows, device, n_jobs
        self.name = self._choice(np.inf)
        self._n_queries = 0
        self._engine = make_engine("brute", rows, device, n_jobs)

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        return self._ready_for(len(queries)).kneighbors(queries, k, exclude)

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        n_queries = len(range(*part.indices(len(self.rows))))
        return self._ready_for(n_queries).leave_one_out(k, part)

    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "AutoEngine":
        other = AutoEngine(rows, self.device, self.n_jobs)
        # Asked as often, so that it is the same engine that searches.
        other._ready_for(self._n_queries)
        return other

    def _choice(self, n_queries: float) -> str:
        here = partial(has, device=self.device)
        return choose(self.rows.values.size, n_queries, here, sys.modules)

    def _ready_for(self, n_queries: int) -> Engine:
        self._n_queries += n_queries
        waits = self._engine.name != self.name
        if waits and self._choice(self._n_queries) == self.name:
            args = self.rows, self.device, self.n_jobs
            self._engine = make_engine(self.name, *args)
        return self._engine
