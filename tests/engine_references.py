"""Exact engines with their precisions forced, and what they must find."""

import importlib.util
from functools import partial

import numpy as np
import torch

from skknn.neighbors._engines import make_engine
from skknn.neighbors._rows import IndexRows
from skknn.neighbors.exact._device import DeviceSearch
from skknn.neighbors.exact._distances import measure
from skknn.neighbors.exact._numpy import NumpyProposer
from skknn.neighbors.exact._search import ExactSearch
from skknn.neighbors.exact._torch import TorchProposer


def _named(name, X, n_jobs=None, rooted=False):
    return make_engine(name, IndexRows.from_array(X, rooted), "cpu", n_jobs)


def _forced(kinds, X, n_jobs=None, rooted=False, measure=measure):
    """The search with proposers of this choice, whatever the processor likes."""
    rows = IndexRows.from_array(X, rooted)
    return ExactSearch(rows, "forced", kinds, n_jobs, measure)


def _on_device(X, n_jobs=None, rooted=False, device="cpu"):
    return DeviceSearch(IndexRows.from_array(X, rooted), torch.device(device))


class Float32Proposer(NumpyProposer):
    """float32 products, for float64 rows too."""

    def __init__(self, rows):
        super().__init__(rows, np.float32)


#: name: function of rows, and optionally n_jobs and rooted, that makes an engine.
ENGINES = {
    "brute": partial(_named, "brute"),
    "float32": partial(_forced, [Float32Proposer]),
    "bfloat16": partial(_forced, [TorchProposer]),
    "bfloat16-float32": partial(_forced, [TorchProposer, NumpyProposer]),
    "as-on-a-device": _on_device,
}
if importlib.util.find_spec("faiss"):
    ENGINES["faiss"] = partial(_named, "faiss")
if importlib.util.find_spec("numba"):
    from skknn.neighbors.exact._compiled import CompiledProposer
    from skknn.neighbors.exact._kernels import compiled_measure

    class CompiledFloat32(CompiledProposer):
        def __init__(self, rows):
            self.rows, self._rough = rows, NumpyProposer(rows, np.float32)

    class CompiledBfloat16(CompiledProposer):
        def __init__(self, rows):
            self.rows, self._rough = rows, TorchProposer(rows)

    compiled = partial(_forced, measure=compiled_measure)
    ENGINES["fast"] = partial(_named, "fast")
    ENGINES["fast-float32"] = partial(compiled, [CompiledFloat32])
    ENGINES["fast-bfloat16"] = partial(compiled, [CompiledBfloat16])


def reference(train, queries, k, exclude=None, rooted=False):
    """Distances and ids of the k first by a stable sort in float64."""
    train, queries = train.astype(np.float64), queries.astype(np.float64)
    ids = np.empty((len(queries), k), dtype=np.intp)
    distances = np.empty((len(queries), k))
    for row, q in enumerate(queries):
        d2 = ((train - q) ** 2).sum(axis=1)
        if rooted:
            d2 = np.sqrt(d2)
        if exclude is not None:
            d2[exclude[row]] = np.inf
        ids[row] = np.argsort(d2, kind="stable")[:k]
        distances[row] = d2[ids[row]]
    return distances, ids


def check(engine, train, queries, k, exclude=None):
    """Ids and distances are the true ones; within a few ulp of a tie ids may swap."""
    distances, ids = engine.kneighbors(queries, k, exclude)
    want, want_ids = reference(train, queries, k, exclude, engine.rows.rooted)
    np.testing.assert_allclose(distances, want, rtol=1e-12)
    assert_same_order(ids, want_ids, train, queries)
    # Whatever the order of summation, the engine's own ties go to the lower row.
    tied = distances[:, 1:] == distances[:, :-1]
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.diff(ids, axis=1)[tied] > 0).all()


def assert_same_order(ids, want, train, queries):
    """Equal ids, but for neighbours whose distances agree to 1e-14."""
    for row, column in np.argwhere(ids != want):
        pair = train[[ids[row, column], want[row, column]]].astype(np.float64)
        one, other = ((pair - queries[row].astype(np.float64)) ** 2).sum(axis=1)
        assert abs(one - other) <= 1e-14 * other, (row, column, one, other)


def clustered(n, d, seed=0, dtype=np.float32):
    """Unit rows around 20 centres, most of the variance in few directions."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, d))
    rows = centres[rng.integers(20, size=n)] + rng.standard_normal((n, d))
    rows *= np.arange(1, d + 1) ** -0.25
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
