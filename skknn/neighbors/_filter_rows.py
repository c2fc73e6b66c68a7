"""The base in a lower precision, with a strict bound on what that does to scores."""

import numpy as np

from ._bounds import LOST, largest_norm, power_of_two, query_scales
from ._products import tile_products

# The terms -|x|^2 / 2 take as many columns as they need: bfloat16 holds 8 bits.
_EXTRA = 3
# Relative error of one addition in float32, generously.
_ADDITION = 2.0**-23


class FilterRows:
    """Rows of an engine's base as a torch matrix, ready for products with queries.

    Rows are scaled by a power of two to norms of at most 1, queries likewise. Three
    more columns hold ``-|x|^2 / 2`` around its middle, so that one product gives
    scores, up to a factor and an offset. They differ from the true ones by at most
    the bounds given with them, by Cauchy-Schwarz from measured residuals.

    Parameters
    ----------
    engine : CertifiedEngine
        Fitted; its rows and shift are used.
    device : torch.device
    dtype : torch.dtype
        ``torch.bfloat16`` or ``torch.float32``.
    """

    def __init__(self, engine, device, dtype):
        import torch

        n_samples, n_features = engine.X_.shape
        self.device, self.dtype = device, dtype
        self._scale = power_of_two(engine._peak)
        half = engine._half * self._scale**2
        self._middle = (half.max() + half.min()) / 2
        self.rows = torch.empty(
            n_samples, n_features + _EXTRA, dtype=dtype, device=device
        )
        self._norm = self._residual = self._half_residual = 0.0
        for part, rows in engine._float64_blocks():
            rows *= self._scale
            low, rounded = self._round(rows)
            self._norm = max(self._norm, largest_norm(rounded))
            self._residual = max(self._residual, largest_norm(rows - rounded))
            rest, extra = self._middle - half[part], []
            for _ in range(_EXTRA):
                column, rounded = self._round(rest)
                extra.append(column[:, None])
                rest = rest - rounded
            self._half_residual = max(self._half_residual, np.abs(rest).max())
            self.rows[part] = torch.cat([low, *extra], dim=1).to(device)
        self._half_peak = np.abs(half - self._middle).max() * 1.01

    @property
    def offset(self):
        """Constant part of all scores."""
        return -self._middle / self._scale**2

    def queries(self, queries, norms):
        """Queries ready for the product.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), float64
            Shifted like the base.
        norms : ndarray of shape (n_queries,)

        Returns
        -------
        low : Tensor of shape (n_queries, n_features + 3)
        factor : ndarray of shape (n_queries,)
            ``score = factor * product + offset``.
        error : ndarray of shape (n_queries,)
            How far a product may be from the true one, apart from its rounding to
            :attr:`dtype`.
        """
        import torch

        scale = query_scales(norms, self._scale)
        queries, norms = queries * scale[:, None], norms * scale
        low, rounded = self._round(queries)
        residual = np.linalg.norm(queries - rounded, axis=1)
        true_ratio = scale / self._scale
        ratio = np.maximum(true_ratio, 2.0**-100)
        extra = self._round(ratio)[0][:, None].expand(-1, _EXTRA)
        low = torch.cat([low, extra], dim=1).to(self.device)
        error = residual * self._norm + norms * self._residual
        error += ratio * self._half_residual + (ratio - true_ratio) * self._half_peak
        size = (norms + residual) * self._norm + ratio * self._half_peak
        error += 2 * self._input_rounding() * size
        error += (queries.shape[1] + 8) * (_ADDITION * size + LOST)
        return low, 1 / (scale * self._scale), error * (1 + 1e-9)

    def products(self, low, part):
        """Products of queries with a slice of the base, (n_queries, n_rows)."""
        import torch

        rows = self.rows[part]
        if self._on_numpy():
            return torch.from_numpy(tile_products(low.numpy(), rows.numpy()))
        if self.device.type == "cuda" and self.dtype == torch.bfloat16:
            return torch.mm(low, rows.T, out_dtype=torch.float32)
        return torch.mm(low, rows.T)

    def ceiling(self, product, error):
        """The largest true product behind a computed one."""
        import torch

        unit = 2.0**-8 if self.dtype == torch.bfloat16 else 0.0
        return product + unit / (1 - unit) * np.abs(product) + error

    def _round(self, values):
        """Values as a tensor in the lower precision, and as float64 again."""
        import torch

        low = torch.from_numpy(values).to(self.dtype)
        return low, low.double().numpy()

    def _on_numpy(self):
        """Whether products are numpy's: in float32 its library is often faster."""
        import torch

        return self.device.type == "cpu" and self.dtype == torch.float32

    def _input_rounding(self):
        """Float32 products may be set to round their inputs (TF32, bfloat16)."""
        import torch

        if self.dtype != torch.float32 or self._on_numpy():
            return 0.0
        probe = torch.full((128, 128), 1 + 2.0**-12, device=self.device)
        exact = torch.mm(probe, torch.eye(128, device=self.device)) == probe
        return 0.0 if bool(exact.all()) else 2.0**-8
