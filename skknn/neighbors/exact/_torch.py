"""Candidates by torch's products in bfloat16, on the CPU."""

import numpy as np
import torch
from numpy.typing import NDArray

from .._rows import IndexRows
from ._bfloat16 import Bfloat16Rows
from ._candidates import QueryBlock
from ._numpy import NumpyProposer
from ._top_k import bfloat16_values


class TorchProposer(NumpyProposer):
    """Scores are products of rows and queries rounded to bfloat16, and are scaled."""

    score_bytes = 2
    dtype = np.dtype(np.int16)  # numpy has no bfloat16: the same bits
    half = None

    def __init__(self, rows: IndexRows) -> None:
        self._low = Bfloat16Rows(rows, torch.device("cpu"), float32_scores=False)
        self.scale, self.unit = self._low.scale, self._low.unit

    def n_candidates(self, k: int) -> int:
        # Rounding to bfloat16 brings many rows close to the k-th.
        return 2 * k + 64

    def low_queries(
        self, queries: QueryBlock
    ) -> tuple[torch.Tensor, NDArray[np.float64]]:
        scaled = torch.from_numpy(queries.shifted * self.scale)
        norms = torch.from_numpy(queries.norms * self.scale)
        low, error = self._low.queries(scaled, norms)
        return low, error.numpy()

    def products(self, low: torch.Tensor, part: slice, out: NDArray) -> None:
        self._low.scores(low, part, torch.from_numpy(out).view(torch.bfloat16))

    def scores(self, low: torch.Tensor, part: slice) -> NDArray[np.int16]:
        return self._low.scores(low, part).view(torch.int16).numpy()

    def ceilings(self, values: NDArray, error: NDArray) -> NDArray[np.float64]:
        values = bfloat16_values(values) if values.dtype == np.int16 else values
        ceilings = values.astype(np.float64)
        ceilings += self.unit * np.abs(ceilings) + (error[:, None] - self._low.middle)
        return ceilings / self.scale**2
