"""The rows in bfloat16, with a strict bound on what that does to scores."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from .._rows import IndexRows
from ._bounds import LOST, power_of_two
from ._top_k import LARGEST_GROUP

if TYPE_CHECKING:
    import torch

# The terms -|x|^2 / 2 take as many columns as they need: bfloat16 holds 8 bits. More
# columns are zero: matrix units want them by eight.
_EXTRA, _COLUMNS = 3, 8
# Relative error of one addition in float32, generously: matrix units may truncate.
_ADDITION = 2.0**-23
# Scores of rows that only fill up the last group.
_NOTHING = -3e38


class Bfloat16Rows:
    """Rows of an index as a matrix of bfloat16, ready for products with queries.

    Rows are scaled by a power of two to norms of at most 1, queries likewise. More
    columns hold ``-|x|^2 / 2`` around its middle, so that one product gives scores: of
    a row and a query scaled by ``scale``, plus ``middle``. They differ from the true
    ones by at most the bounds given with them, by Cauchy-Schwarz from measured
    residuals.

    Parameters
    ----------
    rows : IndexRows
    device : torch.device
    float32_scores : bool
        Whether scores keep float32. Else they are bfloat16 too, which is what is fast
        on a CPU.

    Attributes
    ----------
    rows : Tensor of shape (n_rows, n_columns)
        With ``float32_scores`` more than n_samples rows, of very low score, so that
        groups of scores come out even.
    scale, middle : float
    unit : float
        Relative error of the rounding of a score.
    """

    def __init__(
        self, rows: IndexRows, device: "torch.device", float32_scores: bool
    ) -> None:
        import torch

        n_samples, n_features = rows.values.shape
        self.scale = power_of_two(rows.largest_norm)
        half = rows.half_squared_norms * self.scale**2
        self.middle = float((half.max() + half.min()) / 2)
        self._half_peak = float(np.abs(half - self.middle).max()) * 1.01
        self.unit = 0.0 if float32_scores else 2.0**-8 / (1 - 2.0**-8)
        self._out = {"out_dtype": torch.float32} if float32_scores else {}
        dtype, group = torch.bfloat16, LARGEST_GROUP if float32_scores else 1
        if float32_scores and not mixed_products(device):
            # Products of numbers that fit bfloat16 are exact, in TF32 too.
            dtype, self._out = torch.float32, {}
        shape = _up(n_samples, group), _up(n_features + _EXTRA, _COLUMNS)
        self.rows = torch.zeros(shape, dtype=dtype, device=device)
        self.rows[n_samples:, n_features] = _NOTHING
        norm = torch.linalg.vector_norm
        peaks = []
        for part, block in rows.shifted_blocks():
            values = torch.from_numpy(block).to(device) * self.scale
            low = self.rows[part]
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

    def queries(
        self, scaled: "torch.Tensor", norms: "torch.Tensor"
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Queries ready for the product.

        Parameters
        ----------
        scaled : Tensor of shape (n_queries, n_features), float64
            Shifted like the rows, and times ``scale``.
        norms : Tensor of shape (n_queries,), float64
            Of ``scaled``.

        Returns
        -------
        low : Tensor of shape (n_queries, n_columns)
        error : Tensor of shape (n_queries,), float64
            How far a score may be from the true one, apart from its own rounding.
        """
        import torch

        n_features = scaled.shape[1]
        shape = len(scaled), self.rows.shape[1]
        low = torch.ones(shape, dtype=self.rows.dtype, device=scaled.device)
        low[:, :n_features] = scaled.bfloat16()
        residual = torch.linalg.vector_norm(scaled - low[:, :n_features], dim=1)
        # Residuals of queries and of rows, then additions in float32.
        addition = (n_features + 16) * _ADDITION
        per_residual = (1 + addition) * self._norm
        per_norm = self._residual + addition * self._norm
        constant = self._half_residual + addition * self._half_peak
        constant += (n_features + 16) * LOST
        more = 1 + 1e-9
        error = residual.mul_(per_residual * more).add_(constant * more)
        return low, error.add_(norms, alpha=per_norm * more)

    def products(
        self, low: "torch.Tensor", part: slice, out: "torch.Tensor | None" = None
    ) -> "torch.Tensor":
        """Scores of a slice of the rows, (n_queries, n_rows)."""
        import torch

        if out is not None:
            return torch.mm(low, self.rows[part].T, out=out)
        return torch.mm(low, self.rows[part].T, **self._out)


def _up(n: int, step: int) -> int:
    """``n`` rounded up to a multiple of ``step``."""
    return -(-n // step) * step


@cache
def mixed_products(device: "torch.device") -> bool:
    """Whether products of bfloat16 can be had in float32 on this device."""
    import torch

    probe = torch.zeros(32, 32, dtype=torch.bfloat16, device=device)
    try:
        torch.mm(probe, probe, out_dtype=torch.float32)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return True
