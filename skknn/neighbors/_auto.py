"""Which engine suits the data, the machine and what is installed."""

import sys
import time
from functools import cache
from importlib.util import find_spec

import numpy as np

from ..utils._device import resolve_device
from ._brute import BruteEngine

# Numbers in the base from which another engine than numpy's can pay.
_LARGE = 2_000_000
# Products of numbers after which loading a library, about a second, has paid.
_PATIENCE = 2e10
# Queries after which an engine's copy of the rows has paid.
_FEW_QUERIES = 64
_LIBRARY = {"fast": f"{__package__}._fast_kernels", "torch": "torch", "faiss": "faiss"}
# faiss needs about 1.1 times the time of its product, numpy's engine this much.
_BRUTE_COST = 1.5


class AutoEngine:
    """The fastest exact engine for the rows; small batches stay with numpy's.

    Work that numpy's engine did for other rows counts too: a grid search asks each of
    its many fits for little.

    Parameters
    ----------
    device : None, str or torch.device
    n_jobs : int or None

    Attributes
    ----------
    name : str
        Engine that serves large batches.
    """

    # Products of numbers that numpy's engine made in another one's place, in this
    # process.
    _work = 0.0

    def __init__(self, device=None, n_jobs=None):
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X):
        """Choose for ``X`` of shape (n_samples, n_features)."""
        self.X_ = X
        self.name = choose(X.size, self.device)
        self._small = self._large = None
        self._asked = 0
        return self

    def kneighbors(self, Q, k, exclude=None):
        """Parameters and return values as in :meth:`CertifiedEngine.kneighbors`."""
        return self._engine(len(Q)).kneighbors(Q, k, exclude)

    def _engine(self, n_queries):
        if self._large is None:
            if self.name == "brute" or not self._has_paid(n_queries):
                if self._small is None:
                    self._small = BruteEngine(self.n_jobs).fit(self.X_)
                return self._small
            from ._index import make_engine

            self._large = make_engine(self.name, self.device, self.n_jobs).fit(self.X_)
            self._small = None
        return self._large

    def _has_paid(self, n_queries):
        """Whether another engine's library, and its copy of these rows, have paid."""
        self._asked += n_queries
        AutoEngine._work += float(n_queries) * self.X_.size
        loaded = _LIBRARY.get(self.name) in sys.modules
        enough = loaded or AutoEngine._work >= _PATIENCE
        return enough and self._asked >= _FEW_QUERIES


def choose(size, device):
    """Name of the engine for a base of ``size`` numbers."""
    if device is not None and str(device) != "cpu":
        if resolve_device(device).type != "cpu":
            return "torch"
    if size < _LARGE:
        return "brute"
    if device is None and resolve_device().type == "cuda":
        return "torch"
    if find_spec("numba") is not None:
        return "fast"
    from ._torch import bfloat16_pays

    if bfloat16_pays():
        return "torch"
    return "faiss" if find_spec("faiss") is not None and _faiss_pays() else "brute"


@cache
def _faiss_pays():
    """Whether faiss's own matrix product is fast enough here; takes about 50 ms."""
    from ..utils._threads import run_blocks
    from ._faiss import faiss_settings
    from ._products import product_seconds

    rng = np.random.default_rng(0)
    queries = rng.standard_normal((256, 384), dtype=np.float32)
    rows = rng.standard_normal((2048, 384), dtype=np.float32)
    seconds = []

    def measure(_):
        with faiss_settings(1) as faiss:
            for _ in range(5):
                start = time.perf_counter()
                faiss.knn(queries, rows, 10)
                seconds.append(time.perf_counter() - start)

    run_blocks(measure, [None], 1)
    limit = _BRUTE_COST * product_seconds()["float32"]
    return min(seconds) / (256 * 384 * 2048) < limit
