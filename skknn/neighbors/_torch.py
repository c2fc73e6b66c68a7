"""Exact search with torch: the same code on the CPU and on CUDA."""

import math

import numpy as np

from ..utils._device import resolve_device
from ..utils._threads import in_threads
from ._certified import CertifiedEngine
from ._filter_rows import FilterRows
from ._products import product_seconds

# bfloat16 must be this much faster than float32 to be worth its larger error.
_WORTH = 0.7
# More candidates than neighbours: as many again, and at least this many.
_SLACK = 64
# Candidates gathered on a device at a time, in bytes of float64.
_GATHER_BYTES = 1 << 26


class TorchEngine(CertifiedEngine):
    """Exact neighbours by a low-precision product, then float64 differences.

    The product is in bfloat16 where the processor is faster at it, else in float32.

    Parameters
    ----------
    device : None, str or torch.device
        None takes CUDA if there is one, else MPS, else the CPU.
    n_jobs : int or None
        Threads on the CPU. None takes as many as BLAS may use.
    """

    name = "torch"

    def __init__(self, device=None, n_jobs=None):
        super().__init__(n_jobs)
        self.device = device

    def fit(self, X):
        """Keep ``X`` of shape (n_samples, n_features), float32 or float64."""
        resolve_device(self.device)
        return super().fit(X)

    def _make_filter(self):
        import torch

        device = self._here()
        low = device.type == "cuda" and _mixed_products(device)
        low = low or (device.type == "cpu" and bfloat16_pays())
        rows = FilterRows(self, device, torch.bfloat16 if low else torch.float32)
        # Differences on the device need float64 there.
        exact = torch.from_numpy(self.X_).to(device) if device.type == "cuda" else None
        return rows, exact

    def _here(self):
        """The device; an index from another machine takes the best one here."""
        try:
            return resolve_device(self.device)
        except ValueError:
            return resolve_device(None)

    def _run(self, settle, blocks, n_threads):
        import torch

        if self._filter[0].device.type == "cpu":
            super()._run(settle, blocks, n_threads, torch)
            return
        for block in blocks:
            _with_less_memory(lambda rows: settle(rows, 1), block, torch)

    def _propose(self, queries, norms, k, exclude, share):
        import torch

        rows, _ = self._filter
        n_samples = len(rows.rows)
        n_candidates = min(n_samples, k + max(_SLACK, k))
        low, factor, error = rows.queries(queries, norms)
        parts = self._base_parts(low.element_size() * len(low), n_candidates, share)

        def search(part):
            products = rows.products(low, part)
            if exclude is not None:
                hit = np.flatnonzero((exclude >= part.start) & (exclude < part.stop))
                products[hit, exclude[hit] - part.start] = -math.inf
            best, columns = _top(products, n_candidates)
            return best, columns + part.start

        found = in_threads(search, parts, share.n_threads, torch=torch)
        values, ids = (torch.cat(tensors, dim=1) for tensors in zip(*found))
        if values.shape[1] > n_candidates:
            columns = _largest(values, n_candidates)
            values, ids = values.gather(1, columns), ids.gather(1, columns)
        if self._filter[1] is None:
            ids = ids.cpu().numpy()
        if n_candidates == n_samples:
            return ids, None
        values = values.double().cpu().numpy()
        ceiling = rows.ceiling(values, error[:, None])
        return ids, factor[:, None] * ceiling + rows.offset

    def _measure(self, Q, ids, ceiling, squares, slack, exclude, k):
        import torch

        exact = self._filter[1]
        if exact is None:
            return super()._measure(Q, ids, ceiling, squares, slack, exclude, k)
        queries = torch.from_numpy(Q).to(exact.device)
        sqdist = _device_sqdist(queries, exact, ids)
        if exclude is not None:
            own = torch.from_numpy(exclude).to(ids.device)
            sqdist[ids == own[:, None]] = math.inf
        ids, order = ids.sort(dim=1)
        sqdist, order = sqdist.gather(1, order).sort(dim=1, stable=True)
        sqdist, ids = sqdist[:, :k], ids.gather(1, order[:, :k])
        return sqdist.cpu().numpy(), ids.cpu().numpy()


def bfloat16_pays():
    """Whether this processor multiplies bfloat16 clearly faster than float32."""
    seconds = product_seconds()
    return seconds["bfloat16"] < _WORTH * seconds["float32"]


def _mixed_products(device):
    """Whether bfloat16 products can be had in float32 on this device."""
    import torch

    probe = torch.zeros(32, 32, dtype=torch.bfloat16, device=device)
    try:
        torch.mm(probe, probe, out_dtype=torch.float32)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return True


def _with_less_memory(function, block, torch):
    """Call ``function(block)``; halve the block while the device runs out of memory."""
    try:
        function(block)
    except torch.OutOfMemoryError:
        if block.stop - block.start < 2:
            raise
        torch.cuda.empty_cache()
        middle = (block.start + block.stop) // 2
        _with_less_memory(function, slice(block.start, middle), torch)
        _with_less_memory(function, slice(middle, block.stop), torch)


def _top(scores, k):
    """Values (float32) and columns of the k largest of each row; see top_columns."""
    import torch

    n_rows, n_columns = scores.shape
    if k >= n_columns:
        columns = torch.arange(n_columns, device=scores.device)
        return scores.float(), columns.expand(n_rows, -1)
    size = int(math.sqrt(n_columns / k) / 1.3)
    n_groups = n_columns // max(1, size)
    if size <= 2 or n_groups <= k:
        columns = _largest(scores, k)
        return scores.gather(1, columns).float(), columns
    body = size * n_groups
    grouped = scores[:, :body].view(n_rows, size, n_groups)
    groups = _largest(grouped.amax(dim=1), k)[:, None, :]
    values = grouped.gather(2, groups.expand(-1, size, -1)).reshape(n_rows, -1)
    member = torch.arange(0, body, n_groups, device=scores.device)[:, None]
    columns = (groups + member).reshape(n_rows, -1)
    if body < n_columns:
        tail = torch.arange(body, n_columns, device=scores.device)
        values = torch.cat([values, scores[:, body:]], dim=1)
        columns = torch.cat([columns, tail.expand(n_rows, -1)], dim=1)
    best = _largest(values, k)
    return values.gather(1, best).float(), columns.gather(1, best)


def _largest(values, k):
    """Columns of the k largest values of each row, in no order."""
    import torch

    if values.device.type != "cpu":
        return values.topk(k, dim=1, sorted=False).indices
    # numpy's partition is several times faster than torch's heap.
    left = values.shape[1] - k
    if left == 0:
        return torch.arange(k).expand(len(values), -1)
    columns = np.argpartition(values.float().numpy(), left, axis=1)[:, left:]
    return torch.from_numpy(columns)


def _device_sqdist(queries, X, ids):
    """:func:`direct_sqdist` on a device, in float64."""
    import torch

    sqdist = torch.empty(ids.shape, dtype=torch.float64, device=X.device)
    rows = max(1, _GATHER_BYTES // (8 * ids.shape[1] * X.shape[1]))
    for start in range(0, len(ids), rows):
        part = slice(start, start + rows)
        near = X.index_select(0, ids[part].reshape(-1)).double()
        near = near.view(*ids[part].shape, -1)
        near -= queries[part, None, :].double()
        sqdist[part] = near.square_().sum(dim=2)
    return sqdist
