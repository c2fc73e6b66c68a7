"""The exact search on a CUDA device, from queries to neighbours."""

import math
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...utils._device import device_or_best
from ...utils._locks import ForkSafeLock
from ...utils._out_of_memory import is_out_of_memory, release_memory
from ...utils._precision import exact_products
from ...utils._slices import blocks_of
from ...utils._tensors import to_device, to_host
from .._engine import Engine, Neighbors
from .._rows import IndexRows
from ._bfloat16 import Bfloat16Rows
from ._bounds import float64_error, product_error
from ._distances import sort_neighbors
from ._top_k import torch_top_columns

# Queries at a time, the share of free memory for their scores, or bytes if unknown.
_QUERIES, _SHARE, _SCORE_BYTES = 2048, 0.3, 1 << 27
# Bytes of float64 differences at a time: few launches (benchmarks/neighbors.py).
_DIFFERENCE_BYTES = 1 << 28
# A reduction adds in one order for at least as many rows, and at most as many columns.
_FEW_ROWS, _COLUMNS = 32, 4096
# Queries that one float32 product serves sooner than the steps that many need.
_FEW_QUERIES = 64

_holding = ForkSafeLock()


class DeviceSearch(Engine):
    """Exact neighbours: the steps of :class:`ExactSearch`, all on one device.

    Nothing waits for the device until the end of a call, when uncertain queries are
    tried again with more candidates, at last with all rows. The device must have
    float64; on the CPU this works too, slower than :class:`ExactSearch`.
    """

    name = "torch"

    def __init__(self, rows: IndexRows, device: Any) -> None:
        self.rows, self.device = rows, device
        self._held: _HeldRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def with_rows(self, rows: IndexRows, n_same: int = 0) -> "DeviceSearch":
        return DeviceSearch(rows, self.device)

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        held = self._hold()
        if len(queries) <= _FEW_QUERIES and held.half is not None:
            return held.search_few(queries, exclude, k)
        own = None if exclude is None else to_device(held.device, exclude)
        return held.search(to_device(held.device, queries), own, k)

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        held = self._hold()
        own = torch.arange(len(self.rows), device=held.device)[part]
        return held.search(held.values[part], own, k)

    def _hold(self) -> "_HeldRows":
        with _holding.held:
            if self._held is None:
                # The index may come from another machine, and Apple's devices have no
                # float64.
                device = device_or_best(self.device)
                if device.type == "mps":
                    device = torch.device("cpu")
                self._held = _HeldRows(self.rows, device)
            return self._held


class _HeldRows:
    """Rows on a device, and the search among them."""

    def __init__(self, rows: IndexRows, device: torch.device) -> None:
        self.rows, self.device = rows, device
        self.values = to_device(device, rows.values)
        self._low = Bfloat16Rows(rows, device, float32_scores=True)
        shift = np.zeros(self.values.shape[1]) if rows.shift is None else -rows.shift
        self._shift = to_device(device, shift * self._low.scale)
        # Of rows in float32 that need no shift, for few queries.
        fits = rows.shift is None and self.values.dtype == torch.float32
        self.half = to_device(device, rows.half_squared_norms).float() if fits else None

    @torch.inference_mode()
    def search_few(
        self, queries: NDArray, exclude: NDArray[np.intp] | None, k: int
    ) -> Neighbors:
        """:meth:`search` for few queries: one float32 product, one copy back.

        A launch costs as much as most of these steps: what the host can do it does,
        bounds while the device works, the order in the end.
        """
        assert self.half is not None
        n_samples, n_features = self.values.shape
        wanted, largest = k + (exclude is not None), self.rows.largest_norm
        c = min(wanted + 16 + wanted // 8, n_samples)
        given = to_device(self.device, queries)
        with exact_products():
            scores = torch.addmm(self.half, given, self.values.mT, beta=-1)
        best, near = scores.topk(c, dim=1, sorted=False)
        # Side by side as whole numbers, whose bits nothing changes.
        numbers = near, self._measure(given, near), best.double()
        joined = torch.cat([part.view(torch.int64) for part in numbers], dim=1)
        norms = np.linalg.norm(queries.astype(np.float64), axis=1)
        error = product_error(np.float32, norms, largest, n_features)
        error += float64_error(norms, largest, n_features)
        on_host = joined.cpu().numpy()
        ids = on_host[:, :c].astype(np.intp, copy=False)
        floats = on_host.view(np.float64)
        distances, outside = floats[:, c : 2 * c], floats[:, 2 * c :]
        if self.rows.rooted:
            distances = np.sqrt(distances)
        if exclude is not None:
            distances = np.where(ids == exclude[:, None], np.inf, distances)
        found = sort_neighbors(distances, ids, k)
        if c == n_samples:
            return found
        last = found[0][:, -1] ** 2 if self.rows.rooted else found[0][:, -1]
        unsure = ~(outside.min(axis=1) + error < (norms**2 - last) / 2)
        if unsure.any():
            which = to_device(self.device, np.flatnonzero(unsure))
            own = None if exclude is None else to_device(self.device, exclude[unsure])
            found[0][unsure], found[1][unsure] = self.search(given[which], own, k)
        return found

    @torch.inference_mode()
    def search(self, queries: Tensor, own: Tensor | None, k: int) -> Neighbors:
        """Neighbours of queries on the device, without the rows ``own``."""
        n_samples = len(self.rows)
        n_candidates = min(2 * (k + (own is not None)) + 64, n_samples)
        distances, ids = self._in_blocks(queries, own, k, n_candidates)
        for more in (min(8 * n_candidates, n_samples), n_samples):
            unsure = np.flatnonzero(ids[:, 0] < 0)
            if len(unsure) == 0:
                break
            which = to_device(self.device, unsure)
            given = queries[which], None if own is None else own[which]
            distances[unsure], ids[unsure] = self._in_blocks(*given, k, more)
        return distances, ids

    def _in_blocks(
        self, queries: Tensor, own: Tensor | None, k: int, n_candidates: int
    ) -> Neighbors:
        """Neighbours from blocks of queries that fit into memory."""
        n_bytes = _SCORE_BYTES
        if self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            free += torch.cuda.memory_reserved(self.device)
            n_bytes = int(_SHARE * (free - torch.cuda.memory_allocated(self.device)))
        row_bytes = 5 * len(self.rows) + 100 * n_candidates
        size = max(1, min(_QUERIES, n_bytes // row_bytes))
        found, start = [], 0
        while start < len(queries):
            part = slice(start, start + size)
            out = None if own is None else own[part]
            try:
                found.append(self._settle(queries[part], out, k, n_candidates))
                start += size
                continue
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            size //= 2
            release_memory()
        parts = [p[0] if len(p) == 1 else torch.cat(p) for p in zip(*found)]
        distances, ids = (to_host(part) for part in parts)
        return distances, ids.astype(np.intp)

    def _settle(
        self, queries: Tensor, own: Tensor | None, k: int, n_candidates: int
    ) -> tuple[Tensor, Tensor]:
        """Distances and ids of a block; ids of uncertain queries are -1."""
        n_samples, low = len(self.rows), self._low
        scaled = torch.add(self._shift, queries, alpha=low.scale)
        norms = torch.linalg.vector_norm(scaled, dim=1)
        if n_candidates == n_samples:
            ids = torch.arange(n_samples, device=self.device).expand(len(queries), -1)
            outside = torch.full_like(norms, -math.inf)
        else:
            tensor, outside = low.queries(scaled, norms)
            scores = low.scores(tensor, slice(None))
            ids = torch_top_columns(scores, n_candidates)
            outside += scores.gather(1, ids).amin(dim=1)
            del scores
            # Where scores are NaN, rows that only fill up groups may come first.
            ids = ids.clamp_(max=n_samples - 1).sort(dim=1).values
        distances = self._measure(queries, ids)
        if self.rows.rooted:
            distances.sqrt_()
        if own is not None:
            distances.masked_fill_(ids == own[:, None], math.inf)
        distances, order = distances.sort(dim=1, stable=True)
        distances, ids = distances[:, :k].contiguous(), ids.gather(1, order[:, :k])
        last = distances[:, -1].square() if self.rows.rooted else distances[:, -1]
        # In scaled scores, as those of rows outside the candidates are.
        least = (norms.square() - last * low.scale**2) / 2 + low.middle
        largest = self.rows.largest_norm * low.scale
        least -= float64_error(norms, largest, queries.shape[1], low.scale)
        # Fewer bytes come back sooner.
        ids = ids.to(torch.int32 if n_samples < 2**31 else torch.int64)
        return distances, ids.masked_fill_(~(outside < least)[:, None], -1)

    def _measure(self, queries: Tensor, ids: Tensor) -> Tensor:
        """Squared distances by differences in float64, (n_queries, n_candidates)."""
        n_bytes = 8 * self.values.shape[1]
        if n_bytes * ids.numel() <= _DIFFERENCE_BYTES:
            return self._measure_some(queries, ids)
        out = torch.empty(ids.shape, dtype=torch.float64, device=self.device)
        for columns in blocks_of(ids.shape[1], n_bytes, _DIFFERENCE_BYTES):
            some = ids[:, columns]
            for part in blocks_of(len(ids), n_bytes * some.shape[1], _DIFFERENCE_BYTES):
                out[part, columns] = self._measure_some(queries[part], some[part])
        return out

    def _measure_some(self, queries: Tensor, ids: Tensor) -> Tensor:
        near = self.values.index_select(0, ids.flatten()).view(*ids.shape, -1)
        return _squared_norms(near - queries[:, None, :].double())


def _squared_norms(differences: Tensor) -> Tensor:
    """Along the last axis, with the same bits whatever comes with a row."""
    flat = differences.flatten(0, -2)
    few = max(0, _FEW_ROWS - len(flat))
    if few:
        flat = torch.nn.functional.pad(flat, (0, 0, 0, few))
    parts = flat.split(_COLUMNS, dim=1)
    squares = (torch.linalg.vector_norm(p, dim=1).square_() for p in parts)
    squared = reduce(torch.add, squares)
    return squared[: len(flat) - few].view(differences.shape[:-1])
