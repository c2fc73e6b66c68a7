"""Which engine suits the rows, the queries and the machine."""

import sys
from dataclasses import dataclass
from functools import cached_property
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
_LIBRARY = {
    "fast": f"{__package__}.exact._kernels",
    "torch": "torch",
    "faiss": "faiss",
}


@dataclass
class Machine:
    """What the choice of an engine depends on; looked up when it is asked for.

    Parameters
    ----------
    device : None, str or torch.device
        As the user gave it.
    """

    device: Any = None

    @cached_property
    def chosen(self) -> bool:
        """Whether the user asked for another device than the CPU."""
        if self.device is None or str(self.device) == "cpu":
            return False
        return resolve_device(self.device).type != "cpu"

    @cached_property
    def cuda(self) -> bool:
        """Whether there is a CUDA device, and none was asked for."""
        return self.device is None and resolve_device().type == "cuda"

    @cached_property
    def bfloat16(self) -> bool:
        """Whether products in bfloat16 are faster than in float32."""
        from .exact._products import bfloat16_pays

        return bfloat16_pays()

    def has(self, library: str) -> bool:
        """Whether a library is installed."""
        return find_spec(library) is not None

    def loaded(self, library: str) -> bool:
        """Whether a library is imported already."""
        return library in sys.modules


def choose(n_samples: int, n_features: int, n_queries: float, machine: Machine) -> str:
    """Name of the fastest exact engine.

    Parameters
    ----------
    n_samples, n_features : int
    n_queries : float
        Queries that this index was asked for so far, those that come included.
    machine : Machine

    Returns
    -------
    str
    """
    size = n_samples * n_features
    if machine.chosen:
        return "torch"
    if size < _LARGE or n_queries < _FEW_QUERIES:
        return "brute"
    if machine.cuda:
        best = "torch"
    elif machine.has("numba"):
        best = "fast"
    elif machine.bfloat16:
        best = "torch"
    elif machine.has("faiss"):
        best = "faiss"
    else:
        return "brute"
    paid = machine.loaded(_LIBRARY[best]) or n_queries * size >= _PATIENCE
    return best if paid else "brute"


class AutoEngine(Engine):
    """The fastest exact engine for the rows; few queries stay with numpy's.

    Parameters
    ----------
    rows : IndexRows
    device : None, str or torch.device
    n_jobs : int or None

    Attributes
    ----------
    name : str
        Engine that serves many queries.
    """

    def __init__(self, rows: IndexRows, device: Any, n_jobs: int | None) -> None:
        self.rows, self.device, self.n_jobs = rows, device, n_jobs
        self.name = choose(*rows.values.shape, np.inf, Machine(device))
        self._n_queries = 0
        self._engine = self._make("brute")

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        return self._ready_for(len(queries)).kneighbors(queries, k, exclude)

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        """As that of the engine chosen."""
        n_queries = len(range(*part.indices(len(self.rows))))
        return self._ready_for(n_queries).leave_one_out(k, part)

    def _ready_for(self, n_queries: int) -> Engine:
        self._n_queries += n_queries
        if self._engine.name != self.name:
            shape = self.rows.values.shape
            name = choose(*shape, self._n_queries, Machine(self.device))
            if name != self._engine.name:
                self._engine = self._make(name)
        return self._engine

    def _make(self, name: str) -> Engine:
        return make_engine(name, self.rows, self.device, self.n_jobs)
