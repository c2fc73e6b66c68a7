"""Centre and L2-normalise rows before distances are taken."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

PREPROCESSINGS = ("center-l2", "l2-center", "l2")


class Preprocessor:
    """Learn the mean of the rows kept in ``fit``; apply the same steps to queries.

    ``kind`` is one of :data:`PREPROCESSINGS` or None; ``mean_`` (n_features,) is what
    is subtracted, for ``"l2-center"`` from normalised rows, else None.
    """

    def __init__(self, kind: str | None) -> None:
        self.kind = kind

    def fit(self, X: Any) -> "Preprocessor":
        """Learn ``mean_`` from ``X`` of shape (n_samples, n_features)."""
        self.mean_: Any = None
        if self.kind == "center-l2":
            self.mean_ = _mean(X)
        elif self.kind == "l2-center":
            self.mean_ = _mean(self._map(X, _normalize))
        return self

    def transform(self, X: NDArray) -> NDArray:
        """Return prepared rows, C-contiguous, in the dtype of ``X``."""
        if self.kind == "center-l2":
            return self._map(X, lambda rows: _normalize(rows - self.mean_))
        if self.kind == "l2-center":
            return self._map(X, lambda rows: _normalize(rows) - self.mean_)
        if self.kind == "l2":
            return self._map(X, _normalize)
        return np.ascontiguousarray(X)

    def _map(self, X: NDArray, step: Callable[[NDArray], NDArray]) -> NDArray:
        out = np.empty(X.shape, dtype=X.dtype)
        for rows in blocks_of(len(X), 8 * X.shape[1]):
            out[rows] = step(X[rows].astype(np.float64))
        return out


def _mean(X: NDArray) -> NDArray[np.float64]:
    mean = X.mean(axis=0, dtype=np.float64)
    # The rounded mean of a constant column may differ from the constant in the last
    # bit; centring would then leave noise for the normalisation to blow up.
    constant = X.min(axis=0) == X.max(axis=0)
    mean[constant] = X[0, constant]
    return mean


def _normalize(rows: NDArray) -> NDArray[np.float64]:
    with np.errstate(over="ignore", under="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # Squares of very large or very small entries leave the range of float64.
    odd = ~((norms > 1e-140) & (norms < 1e140))
    if odd.any():
        peak = np.abs(rows[odd]).max(axis=1, initial=0.0)
        peak[peak == 0] = 1.0
        rows = rows.copy()
        rows[odd] /= peak[:, None]
        norms[odd] = np.sqrt(np.einsum("ij,ij->i", rows[odd], rows[odd]))
    norms[norms == 0] = 1.0
    return rows / norms[:, None]
