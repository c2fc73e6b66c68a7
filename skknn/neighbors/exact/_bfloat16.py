"""The rows in bfloat16, with a strict bound on what that does to scores."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ...utils._bfloat16 import cuda_has_bfloat16
from ...utils._out_of_memory import is_out_of_memory
from .._rows import IndexRows
from ._bounds import power_of_two
from ._top_k import LARGEST_GROUP

# The terms -|x|^2 / 2 take as many columns as they need: bfloat16 holds 8 bits. More
# columns are zero: matrix units want them by eight.
_EXTRA, _COLUMNS = 3, 8
# Relative error of one addition in float32, generously: matrix units may truncate.
_ADDITION = 2.0**-23
# What a term may lose below the smallest normal number of float32, generously.
_LOST = 2.0**-120
# Scores of rows that only fill up the last group.
_NOTHING = -3e38


class Bfloat16Rows:
    """Rows of an index as a matrix of bfloat16, ready for products with queries.

    Rows are scaled by a power of two to norms of at most 1, queries likewise. More
    columns hold ``-|x|^2 / 2`` around its middle, so that one product gives scores: of
    a row and a query scaled by ``scale``, plus ``middle``. They differ from the true
    ones by at most the bounds given with them, by Cauchy-Schwarz from measured
    residuals.

    With ``float32_scores`` they keep float32, and are those of more rows, of very low
    score, so that groups of scores come out even. Else they are bfloat16 too, which is
    what is fast on a CPU; ``unit`` is the relative error of this rounding.
    """

    def __init__(
        self, rows: IndexRows, device: torch.device, float32_scores: bool
    ) -> None:
        n_samples, n_features = rows.values.shape
        self.scale = power_of_two(rows.largest_norm)
        half = rows.half_squared_norms * self.scale**2
        self.middle = float((half.max() + half.min()) / 2)
        self._half_peak = float(np.abs(half - self.middle).max()) * 1.01
        self.unit = 0.0 if float32_scores else 2.0**-8 / (1 - 2.0**-8)
        self._mixed = float32_scores and mixed_products(device)
        # Float32 of numbers that fit bfloat16: their products are exact in TF32 too.
        plain = float32_scores and not self._mixed
        dtype = torch.float32 if plain else torch.bfloat16
        group = LARGEST_GROUP if float32_scores else 1
        n_columns = -(-(n_features + _EXTRA) // _COLUMNS) * _COLUMNS
        shape = -(-n_samples // group) * group, n_columns
        self._rows = torch.zeros(shape, dtype=dtype, device=device)
        self._rows[n_samples:, n_features] = _NOTHING
        norm, peaks = torch.linalg.vector_norm, []
        for part, block in rows.shifted_blocks():
            values = torch.from_numpy(block).to(device) * self.scale
            low = self._rows[part]
            low[:, :n_features] = values.bfloat16()
            rounded = low[:, :n_features].double()
            rest = torch.from_numpy(self.middle - half[part]).to(device)
            for column in range(n_features, n_features + _EXTRA):
                low[:, column] = rest.bfloat16()
                rest = rest - low[:, column].double()
            sizes = norm(rounded, dim=1), norm(values - rounded, dim=1), rest.abs()
            peaks.append(torch.stack([size.amax() for size in sizes]))
        largest = torch.stack(peaks).amax(dim=0) * (1 + 1e-12)
        self._norm, self._residual, self._half_residual = largest.tolist()

    def queries(self, scaled: Tensor, norms: Tensor) -> tuple[Tensor, Tensor]:
        """Queries ready for the product, and bounds of the error of unrounded scores.

        Of float64 queries, shifted like the rows and times ``scale``, and their norms.
        """
        n_features = scaled.shape[1]
        low = self._rows.new_ones((len(scaled), self._rows.shape[1]))
        low[:, :n_features] = scaled.bfloat16()
        residual = torch.linalg.vector_norm(scaled - low[:, :n_features], dim=1)
        # Residuals of queries and of rows, then additions in float32.
        addition = (n_features + 16) * _ADDITION
        per_residual = (1 + addition) * self._norm
        per_norm = self._residual + addition * self._norm
        constant = self._half_residual + addition * self._half_peak
        constant += (n_features + 16) * _LOST
        more = 1 + 1e-9
        error = residual.mul_(per_residual * more).add_(constant * more)
        return low, error.add_(norms, alpha=per_norm * more)

    def scores(self, low: Tensor, part: slice, out: Tensor | None = None) -> Tensor:
        """Scores of a slice of the rows, (n_queries, n_rows)."""
        if self._mixed:
            return torch.mm(low, self._rows[part].T, out_dtype=torch.float32)
        return torch.mm(low, self._rows[part].T, out=out)


@cache
def mixed_products(device: torch.device) -> bool:
    """Whether products of bfloat16 can be had in float32 on this device."""
    if device.type == "cuda" and not cuda_has_bfloat16(device):
        return False
    probe = torch.zeros(32, 32, dtype=torch.bfloat16, device=device)
    try:
        torch.mm(probe, probe, out_dtype=torch.float32)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        if is_out_of_memory(error):  # no answer, which would be kept
            raise
        return False
    return True
