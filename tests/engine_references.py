"""Exact engines with their precisions forced, and what they must find."""

import importlib.util

import numpy as np
import torch

from skknn.neighbors._brute import BruteEngine
from skknn.neighbors._faiss import FaissEngine
from skknn.neighbors._fast import FastEngine
from skknn.neighbors._fast_projected import ProjectedRows
from skknn.neighbors._fast_rows import Bfloat16Rows, Float32Rows, Int8Rows
from skknn.neighbors._filter_rows import FilterRows
from skknn.neighbors._torch import TorchEngine


def _torch_engine(dtype, on_device=False):
    """The torch engine with its precision forced, whatever the processor likes."""

    class Forced(TorchEngine):
        def __init__(self, n_jobs=None):
            super().__init__("cpu", n_jobs)

        def _make_filter(self):
            rows = FilterRows(self, torch.device("cpu"), getattr(torch, dtype))
            return rows, torch.from_numpy(self.X_) if on_device else None

    return Forced


def _fast_engine(*kinds):
    """The fast engine with its precisions forced."""

    class Forced(FastEngine):
        def _make_filter(self):
            levels = super()._make_filter()
            levels._kinds = list(kinds)
            levels._seconds = [1e-9 * (i + 1) for i in range(len(kinds))]
            return levels

    return Forced


def _projected(share, reach):
    """Rows on axes of no meaning, with an estimate that may be far too small."""

    def make(engine):
        n_features = engine.X_.shape[1]
        square = np.random.default_rng(0).standard_normal((n_features, n_features))
        n_axes = max(1, int(share * n_features))
        return ProjectedRows(engine, np.linalg.qr(square)[0][:, :n_axes], reach)

    return make


ENGINES = {
    "brute": BruteEngine,
    "torch-float32": _torch_engine("float32"),
    "torch-bfloat16": _torch_engine("bfloat16"),
    "torch-as-on-a-device": _torch_engine("bfloat16", on_device=True),
}
if importlib.util.find_spec("faiss"):
    ENGINES["faiss"] = FaissEngine
if importlib.util.find_spec("numba"):
    ENGINES["fast"] = FastEngine
    ENGINES["fast-int8"] = _fast_engine(Int8Rows)
    ENGINES["fast-bfloat16"] = _fast_engine(Bfloat16Rows)
    ENGINES["fast-float32"] = _fast_engine(Float32Rows)
    ENGINES["fast-projected"] = _fast_engine(_projected(0.7, 1.0))
    ENGINES["fast-projected-badly"] = _fast_engine(_projected(0.3, 0.05))
    ENGINES["fast-all-precisions"] = _fast_engine(Int8Rows, Bfloat16Rows, Float32Rows)


def reference(train, queries, k, exclude=None):
    """Squared distances and ids of the k first by a stable sort in float64."""
    train, queries = train.astype(np.float64), queries.astype(np.float64)
    ids = np.empty((len(queries), k), dtype=np.intp)
    sqdist = np.empty((len(queries), k))
    for row, q in enumerate(queries):
        d2 = ((train - q) ** 2).sum(axis=1)
        if exclude is not None:
            d2[exclude[row]] = np.inf
        ids[row] = np.argsort(d2, kind="stable")[:k]
        sqdist[row] = d2[ids[row]]
    return sqdist, ids


def check(engine, train, queries, k, exclude=None):
    sqdist, ids = engine.kneighbors(queries, k, exclude)
    want, want_ids = reference(train, queries, k, exclude)
    np.testing.assert_array_equal(ids, want_ids)
    np.testing.assert_allclose(sqdist, want, rtol=1e-12)


def clustered(n, d, seed=0, dtype=np.float32):
    """Unit rows around 20 centres, most of the variance in few directions."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, d))
    rows = centres[rng.integers(20, size=n)] + rng.standard_normal((n, d))
    rows *= np.arange(1, d + 1) ** -0.25
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
