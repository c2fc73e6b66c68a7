"""Which engine suits the rows, the queries and the machine."""

import sys
from collections.abc import Callable, Container
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._device import resolve_device
from ._engine import Engine, Neighbors
from ._engines import make_engine
from ._rows import IndexRows

# Numbers in the rows from which another engine than numpy's can pay.
_LARGE = 2_000_000
# Products of numbers after which loading a library, about a second, has paid.
_PATIENCE = 2e10
# Queries after which an engine's copy of the rows has paid.
_FEW_QUERIES = 64
# What an engine loads when it is first used.
_LIBRARY = {"fast": "skknn.neighbors.exact._kernels"}


def has(what: str, device: Any) -> bool:
    """Whether there is what engines need.

    ``"device"`` is one that the user asked for and no CPU, ``"cuda"`` one if none was
    asked for, ``"bfloat16"`` means products faster than float32's; else a library.
    """
    if what == "device":
        asked = device is not None and str(device) != "cpu"
        return asked and resolve_device(device).type != "cpu"
    if what == "cuda":
        return device is None and resolve_device().type == "cuda"
    if what == "bfloat16":
        from ..utils._bfloat16 import bfloat16_pays

        return bfloat16_pays()
    return find_spec(what) is not None


def choose(
    n_samples: int,
    n_features: int,
    n_queries: float,
    has: Callable[[str], bool],
    loaded: Container[str],
) -> str:
    """Name of the fastest exact engine.

    ``n_queries`` are those that the index was asked for so far, those that come
    included; ``has`` is like :func:`has`, ``loaded`` holds modules that are imported.
    """
    size = n_samples * n_features
    if has("device"):
        return "torch"
    if size < _LARGE or n_queries < _FEW_QUERIES:
        return "brute"
    order = {"cuda": "torch", "numba": "fast", "bfloat16": "torch", "faiss": "faiss"}
    best = next((name for what, name in order.items() if has(what)), "brute")
    paid = _LIBRARY.get(best, best) in loaded or n_queries * size >= _PATIENCE
    return best if paid else "brute"


class AutoEngine(Engine):
    """The fastest exact engine for the rows; few queries stay with numpy's.

    ``name`` is that of the engine for many queries.
    """

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

    def _choice(self, n_queries: float) -> str:
        n_samples, n_features = self.rows.values.shape
        here = partial(has, device=self.device)
        return choose(n_samples, n_features, n_queries, here, sys.modules)

    def _ready_for(self, n_queries: int) -> Engine:
        self._n_queries += n_queries
        if self._engine.name != self.name:
            name = self._choice(self._n_queries)
            if name != self._engine.name:
                self._engine = make_engine(name, self.rows, self.device, self.n_jobs)
        return self._engine
