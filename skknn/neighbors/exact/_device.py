"""The exact search on a CUDA device, from queries to neighbours."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils._device import resolve_device
from ...utils._out_of_memory import is_out_of_memory, release_memory
from .._engine import Engine, Neighbors
from .._rows import IndexRows, blocks_of
from ._bfloat16 import Bfloat16Rows
from ._bounds import float64_error
from ._top_k import torch_top_columns

if TYPE_CHECKING:
    import torch

# Queries at a time, and the share of free memory that their scores may take.
_QUERIES, _SHARE = 2048, 0.3
# Bytes of scores where free memory is not told.
_SCORE_BYTES = 1 << 27
# Bytes of float64 differences at a time: they stay in the cache of a large card.
_DIFFERENCE_BYTES = 1 << 26
# Rows below which a reduction on the device may add in another order, and columns that
# it adds in one way however many rows there are.
_FEW_ROWS, _COLUMNS = 32, 4096


class DeviceSearch(Engine):
    """Exact neighbours: the steps of :class:`ExactSearch`, all on one device.

    Queries are prepared, scored in bfloat16 with float32 results, selected, reranked
    by float64 differences and certified without waiting for the device; uncertain ones
    are tried again with more candidates and at last measured against all rows. Only
    neighbours come back.

    Parameters
    ----------
    rows : IndexRows
    device : None, str or torch.device
        Must have float64. The tests run this class on the CPU.
    """

    name = "torch"

    def __init__(self, rows: IndexRows, device: Any) -> None:
        self.rows, self.device = rows, device
        self._held: _HeldRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Rows and device; what the device holds is made again."""
        return {**self.__dict__, "_held": None}

    def kneighbors(
        self, queries: NDArray, k: int, exclude: NDArray[np.intp] | None = None
    ) -> Neighbors:
        import torch

        held = self._hold()
        own = None if exclude is None else _to(held.device, exclude)
        with torch.inference_mode():
            return held.search(_to(held.device, queries), own, k)

    def leave_one_out(self, k: int, part: slice) -> Neighbors:
        """The k nearest other rows; queries are the rows on the device."""
        import torch

        held = self._hold()
        with torch.inference_mode():
            own = torch.arange(len(self.rows), device=held.device)[part]
            return held.search(held.values[part], own, k)

    def _hold(self) -> "_HeldRows":
        if self._held is None:
            try:
                device = resolve_device(self.device)
            except ValueError:
                # The index comes from another machine: the best device here.
                device = resolve_device(None)
            self._held = _HeldRows(self.rows, device)
        return self._held


class _HeldRows:
    """Rows on a device, and the search among them."""

    def __init__(self, rows: IndexRows, device: "torch.device") -> None:
        self.rows, self.device = rows, device
        self.values = _to(device, rows.values)
        self._low = Bfloat16Rows(rows, device, float32_scores=True)
        shift = np.zeros(rows.n_features) if rows.shift is None else -rows.shift
        self._shift = _to(device, shift * self._low.scale)

    def search(
        self, queries: "torch.Tensor", own: "torch.Tensor | None", k: int
    ) -> Neighbors:
        """Neighbours of queries on the device."""
        n_samples = len(self.rows)
        n_candidates = min(2 * (k + (own is not None)) + 64, n_samples)
        found = self._in_blocks(self._settle, queries, own, k, n_candidates)
        distances, ids = (array.cpu().numpy() for array in found)
        ids = ids.astype(np.intp)
        # Once more by scores; what is still uncertain is measured against all rows.
        for function in (self._settle, self._exhaust):
            unsure = np.flatnonzero(ids[:, 0] < 0)
            if len(unsure) == 0:
                break
            which = _to(self.device, unsure)
            given = queries[which], None if own is None else own[which]
            n_candidates = min(8 * n_candidates, n_samples)
            found = self._in_blocks(function, *given, k, n_candidates)
            distances[unsure], ids[unsure] = (array.cpu().numpy() for array in found)
        return distances, ids

    def _in_blocks(
        self,
        function: Callable,
        queries: "torch.Tensor",
        own: "torch.Tensor | None",
        k: int,
        n_candidates: int,
    ) -> list["torch.Tensor"]:
        """What ``function`` gives for blocks of queries that fit into memory."""
        import torch

        row_bytes = 5 * len(self._low.rows) + 100 * n_candidates
        size = min(_QUERIES, int(self._free_bytes() // row_bytes))
        found, start = [], 0
        while start < len(queries):
            part = slice(start, start + max(1, size))
            try:
                given = queries[part], None if own is None else own[part]
                found.append(function(*given, k, n_candidates))
                start = part.stop
            except Exception as error:
                if size < 2 or not is_out_of_memory(error):
                    raise
                size //= 2
            else:
                continue
            release_memory()
        if len(found) == 1:
            return found[0]
        return [torch.cat(parts) for parts in zip(*found)]

    def _free_bytes(self) -> float:
        import torch

        if self.device.type != "cuda":
            return _SCORE_BYTES
        free = torch.cuda.mem_get_info(self.device)[0]
        held = torch.cuda.memory_reserved(self.device)
        return _SHARE * (free + held - torch.cuda.memory_allocated(self.device))

    def _settle(
        self,
        queries: "torch.Tensor",
        own: "torch.Tensor | None",
        k: int,
        n_candidates: int,
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Distances and ids of a block; ids of uncertain queries are -1.

        Few and large launches, and nothing that waits for the device.
        """
        import torch

        n_samples, low = len(self.rows), self._low
        scaled = torch.add(self._shift, queries, alpha=low.scale)
        norms = torch.linalg.vector_norm(scaled, dim=1)
        if n_candidates == n_samples:
            ids = torch.arange(n_samples, device=self.device).expand(len(queries), -1)
            outside = torch.full_like(norms, -math.inf)
        else:
            tensor, error = low.queries(scaled, norms)
            scores = low.products(tensor, slice(None))
            ids = torch_top_columns(scores, n_candidates)
            outside = scores.gather(1, ids).amin(dim=1) + error
            del scores
            # Where scores are NaN rows that only fill up groups may come first.
            ids = ids.clamp_(max=n_samples - 1).sort(dim=1).values
        distances = self._measure(queries, ids)
        if own is not None:
            distances.masked_fill_(ids == own[:, None], math.inf)
        distances, ids = _first(distances, ids, k)
        last = distances[:, -1] * low.scale
        if not self.rows.rooted:
            distances.square_()
        # In scaled scores, as those of rows outside the candidates are.
        sizes = norms.square()
        least = sizes.sub(last.square()).mul_(0.5).add_(low.middle)
        largest = self.rows.largest_norm * low.scale
        least -= float64_error(norms, largest, queries.shape[1], low.scale)
        # Fewer bytes come back sooner.
        ids = ids.to(torch.int32 if n_samples < 2**31 else torch.int64)
        return distances, ids.masked_fill_(~(outside < least)[:, None], -1)

    def _measure(self, queries: "torch.Tensor", ids: "torch.Tensor") -> "torch.Tensor":
        """Euclidean distances by differences in float64, (n_queries, n_candidates)."""
        import torch

        shape = -1, ids.shape[1], self.rows.n_features
        out = []
        row_bytes = 8 * ids.shape[1] * self.rows.n_features
        for part in blocks_of(len(ids), row_bytes, _DIFFERENCE_BYTES):
            near = self.values.index_select(0, ids[part].flatten()).view(shape)
            out.append(_norms(near - queries[part, None, :].double()))
        return out[0] if len(out) == 1 else torch.cat(out)

    def _exhaust(
        self, queries: "torch.Tensor", own: "torch.Tensor | None", k: int, _: int
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Distances and ids, each query measured against all rows."""
        import torch

        found = []
        for number, query in enumerate(queries.double()):
            tiles = blocks_of(len(self.rows), 8 * len(query), _DIFFERENCE_BYTES)
            distances = torch.cat([_norms(self.values[t] - query) for t in tiles])
            if own is not None:
                distances[own[number]] = math.inf
            ids = torch.arange(len(self.rows), device=self.device)
            found.append(_first(distances[None], ids[None], k))
        distances, ids = (torch.cat(parts) for parts in zip(*found))
        return distances if self.rows.rooted else distances.square_(), ids


def _first(
    distances: "torch.Tensor", ids: "torch.Tensor", k: int
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """The k first by (distance, index) of rows whose ids ascend."""
    distances, order = distances.sort(dim=1, stable=True)
    return distances[:, :k].contiguous(), ids.gather(1, order[:, :k])


def _norms(differences: "torch.Tensor") -> "torch.Tensor":
    """Norms along the last axis, with the same bits whatever comes with a row."""
    import torch

    flat = differences.flatten(0, -2)
    n_rows, n_columns = flat.shape
    if n_rows < _FEW_ROWS:
        flat = torch.nn.functional.pad(flat, (0, 0, 0, _FEW_ROWS - n_rows))
    if n_columns <= _COLUMNS:
        norms = torch.linalg.vector_norm(flat, dim=1)
    else:
        squares = torch.zeros(len(flat), dtype=flat.dtype, device=flat.device)
        for part in flat.split(_COLUMNS, dim=1):
            squares += torch.linalg.vector_norm(part, dim=1).square_()
        norms = squares.sqrt_()
    return norms[:n_rows].view(differences.shape[:-1])


def _to(device: "torch.device", array: NDArray) -> "torch.Tensor":
    """The array on the device; on the CPU its own memory, unless that is read-only."""
    import torch

    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array).to(device)
