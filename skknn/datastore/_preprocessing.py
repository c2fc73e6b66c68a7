"""Centre and L2-normalise rows before distances are taken."""

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
            self.mean_ = _mean(Preprocessor("l2").transform(X))
        return self

    def transform(
        self, X: NDArray, out: NDArray | None = None, lengths: NDArray | None = None
    ) -> NDArray:
        """Return prepared rows, C-contiguous, in the dtype of ``X``.

        In ``out`` if that is given and there is something to do. What rows were
        divided by is written to ``lengths`` (n_samples,).
        """
        if self.kind is None:
            return np.ascontiguousarray(X)
        out = np.empty(X.shape, dtype=X.dtype) if out is None else out
        for part in blocks_of(len(X), 8 * X.shape[1]):
            rows = X[part].astype(np.float64)
            if self.kind == "center-l2":
                rows -= self.mean_
            rows, norms = _normalize(rows)
            if self.kind == "l2-center":
                rows -= self.mean_
            out[part] = rows
            if lengths is not None:
                lengths[part] = norms
        return out

    def restore(self, rows: NDArray, lengths: NDArray) -> NDArray[np.float64]:
        """The rows that :meth:`transform` was given, up to rounding."""
        rows = rows.astype(np.float64)
        if self.kind == "l2-center":
            rows += self.mean_
        if self.kind is not None:
            rows *= lengths[:, None]
        if self.kind == "center-l2":
            rows += self.mean_
        return rows


def _mean(X: NDArray) -> NDArray[np.float64]:
    mean = X.mean(axis=0, dtype=np.float64)
    # The rounded mean of a constant column may differ from the constant in the last
    # bit; centring would then leave noise for the normalisation to blow up.
    constant = X.min(axis=0) == X.max(axis=0)
    mean[constant] = X[0, constant]
    return mean


def _normalize(rows: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of length 1, or 0, and what they were divided by."""
    with np.errstate(over="ignore", under="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # Squares of very large or very small entries leave the range of float64.
    odd = ~((norms > 1e-140) & (norms < 1e140))
    peaks = np.ones(len(rows))
    if odd.any():
        peak = np.abs(rows[odd]).max(axis=1, initial=0.0)
        peak[peak == 0] = 1.0
        rows = rows.copy()
        rows[odd] /= peak[:, None]
        peaks[odd] = peak
        norms[odd] = np.sqrt(np.einsum("ij,ij->i", rows[odd], rows[odd]))
    norms[norms == 0] = 1.0
    rows = rows / norms[:, None]
    with np.errstate(over="ignore", under="ignore"):
        return rows, norms * peaks
