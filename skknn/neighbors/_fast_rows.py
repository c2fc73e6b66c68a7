"""The base in three precisions that the fast engine scans, fastest first.

Each class turns a block of queries into products with tiles of the base, and says
how far the scores made of them may be from the true ones:
``score = factor * (product * scale - ratio * half) + offset``, with an error of at
most ``factor * (margin + unit * |product|)``.
"""

from typing import NamedTuple

import numpy as np

from ._bounds import LOST, largest_norm, power_of_two, product_error, query_scales
from ._filter_rows import FilterRows

#: Columns of a tile of products.
TILE = 1024


class Queries(NamedTuple):
    """A block of queries ready for products; arrays have one entry a query."""

    low: object
    ratio: np.ndarray
    margin: np.ndarray
    factor: np.ndarray
    offset: float
    bad: np.ndarray  # out of the range where the margin holds

    def part(self, rows):
        """Those in a slice."""
        values = self._asdict()
        del values["offset"]
        return self._replace(**{name: value[rows] for name, value in values.items()})


class ScannedRows:
    """How many rows a scan keeps: all that may be among the k best."""

    #: Whether rows that are not kept are proven to be no neighbours.
    certain = True

    @staticmethod
    def capacity(k):
        """Rows kept for a query at most."""
        return 4 * k + 1152

    def reach(self, prepared):
        """How far below the k-th best score others are kept, (n_queries,)."""
        return 2 * prepared.margin

    def rank(self, k, seen):
        """Rank among the best so far that the k-th best of all does not fall behind.

        Parameters
        ----------
        k : int
        seen : int
            Rows of the base scanned so far.
        """
        return k

    def base_ids(self, ids, lengths):
        """Rows of the base that scanned ones are, ascending.

        Parameters
        ----------
        ids : ndarray of shape (n_queries, n_kept), int
        lengths : ndarray of shape (n_queries,), int
            How many of a query's ids count.
        """
        return ids


class Int8Rows(ScannedRows):
    """Rows as int8, each with its own scale; sums of products are exact."""

    product_dtype = np.int32
    unit = 0.0
    nothing = np.int32(0)  # with a half of inf

    def __init__(self, engine):
        import torch

        n_samples, n_features = engine.X_.shape
        self._row_scale = power_of_two(engine._peak)
        half = engine._half * self._row_scale**2
        self._middle = (half.max() + half.min()) / 2
        self._half_peak = np.abs(half - self._middle).max()
        # Beyond the last row scores are -inf.
        self.scale = np.zeros(n_samples + TILE, dtype=np.float32)
        self.half = np.full(n_samples + TILE, np.inf, dtype=np.float32)
        self.half[:n_samples] = half - self._middle
        self._rows = torch.zeros(n_samples, _padded(n_features), dtype=torch.int8)
        self._norm = self._residual = 0.0
        for part, rows in engine._float64_blocks():
            rows *= self._row_scale
            steps, low = _quantize(rows)
            self.scale[:n_samples][part] = steps
            rounded = steps[:, None] * low
            self._norm = max(self._norm, largest_norm(rounded))
            self._residual = max(self._residual, largest_norm(rows - rounded))
            self._rows[part, :n_features] = torch.from_numpy(low.astype(np.int8))

    def queries(self, queries, norms):
        """Queries as int8; parameters as in :meth:`FilterRows.queries`."""
        import torch

        scale = query_scales(norms, self._row_scale)
        queries, norms = queries * scale[:, None], norms * scale
        steps, low = _quantize(queries)
        residual = np.linalg.norm(queries - steps[:, None] * low, axis=1)
        ratio = scale / self._row_scale / steps
        error = residual * self._norm + norms * self._residual
        size = (norms + residual) * self._norm + scale / self._row_scale * (
            self._half_peak + LOST
        )
        # Scores are made of products in float32, in four roundings.
        error = (error + 2.0**-21 * size + LOST) * (1 + 1e-9)
        padded = torch.zeros(len(low), self._rows.shape[1], dtype=torch.int8)
        padded[:, : low.shape[1]] = torch.from_numpy(low.astype(np.int8))
        return Queries(
            padded,
            ratio.astype(np.float32),
            error / steps,
            steps / (scale * self._row_scale),
            -self._middle / self._row_scale**2,
            ~((steps > 1e-30) & (ratio < 1e30) & (ratio > 1e-30)),
        )

    def products(self, low, part, out):
        """Write products with a slice of the base to ``out``."""
        import torch

        torch._int_mm(low, self._rows[part].T, out=torch.from_numpy(out))


class Bfloat16Rows(FilterRows, ScannedRows):
    """Rows in bfloat16; ``-|x|^2 / 2`` are columns of theirs, so no half is left."""

    product_dtype = np.int16
    unit = 2.0**-8 / (1 - 2.0**-8)
    nothing = np.int16(-128)  # -inf in bfloat16

    def __init__(self, engine):
        import torch

        super().__init__(engine, torch.device("cpu"), torch.bfloat16)
        self.scale = self.half = None

    def queries(self, queries, norms):
        """Queries in bfloat16."""
        low, factor, error = super().queries(queries, norms)
        ratio = np.ones(len(norms), dtype=np.float32)
        bad = np.zeros(len(norms), dtype=bool)
        return Queries(low, ratio, error, factor, self.offset, bad)

    def products(self, low, part, out):
        """Write products, as the bits of bfloat16, to ``out``."""
        import torch

        out = torch.from_numpy(out).view(torch.bfloat16)
        torch.mm(low, self.rows[part].T, out=out)


class Float32Rows(ScannedRows):
    """Rows in float32, multiplied by numpy's BLAS; no copy of prepared rows."""

    product_dtype = np.float32
    unit = 0.0
    nothing = np.float32(-np.inf)

    def __init__(self, engine):
        self._rows = engine.X_
        if engine.X_.dtype != np.float32 or engine._shift is not None:
            self._rows = np.empty(engine.X_.shape, dtype=np.float32)
            with np.errstate(over="ignore"):
                for part, rows in engine._float64_blocks():
                    self._rows[part] = rows
        self.scale = None
        self.half = np.zeros(len(engine.X_) + TILE, dtype=np.float32)
        with np.errstate(over="ignore"):
            self.half[: len(engine.X_)] = engine._half
        self._peak = engine._peak

    def queries(self, queries, norms):
        """Queries in float32."""
        with np.errstate(over="ignore"):
            low = queries.astype(np.float32)
        n_features = queries.shape[1]
        margin = product_error(np.float32, norms, self._peak, n_features)
        one = np.ones(len(norms))
        bad = ~((norms + self._peak) ** 2 < 1e37)
        return Queries(low, one.astype(np.float32), margin, one, 0.0, bad)

    def products(self, low, part, out):
        """Write products with a slice of the base to ``out``."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(low, self._rows[part].T, out=out)


def _quantize(rows):
    """Steps (n_rows,), representable in float32, and multiples of them in +-127."""
    steps = np.abs(rows).max(axis=1, initial=0.0) / 127
    steps = steps.astype(np.float32).astype(np.float64)
    steps[steps == 0] = 1.0
    return steps, np.clip(np.rint(rows / steps[:, None]), -127, 127)


def _padded(n_features):
    # torch 2.14 multiplies single columns of int8 wrongly on the CPU.
    return -(-n_features // 4) * 4
