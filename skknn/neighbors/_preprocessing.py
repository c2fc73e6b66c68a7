"""Centre and L2-normalise rows before distances are taken (R, section 3.1)."""

import numpy as np

KINDS = ("center-l2", "l2-center", "l2")

# Rows converted to float64 at a time: bounds the temporary to a few MB.
_BLOCK_BYTES = 1 << 23


class Preprocessor:
    """Learn the mean of the rows kept in ``fit``; apply the same steps to queries.

    Parameters
    ----------
    kind : {"center-l2", "l2-center", "l2"} or None
        Order of the steps. None leaves rows as they are.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,), float64, or None
        Mean that is subtracted; None for kinds without centring. For
        ``"l2-center"`` it is the mean of the normalised rows.
    """

    def __init__(self, kind):
        self.kind = kind

    def fit(self, X):
        """Learn ``mean_`` from ``X`` of shape (n_samples, n_features)."""
        self.mean_ = None
        if self.kind == "center-l2":
            self.mean_ = _mean(X)
        elif self.kind == "l2-center":
            self.mean_ = _mean(self._map(X, _normalize))
        return self

    def transform(self, X):
        """Return prepared rows, C-contiguous, in the dtype of ``X``."""
        if self.kind == "center-l2":
            return self._map(X, lambda rows: _normalize(rows - self.mean_))
        if self.kind == "l2-center":
            return self._map(X, lambda rows: _normalize(rows) - self.mean_)
        if self.kind == "l2":
            return self._map(X, _normalize)
        return np.ascontiguousarray(X)

    def _map(self, X, step):
        out = np.empty(X.shape, dtype=X.dtype)
        block = max(1, _BLOCK_BYTES // (8 * max(1, X.shape[1])))
        for start in range(0, len(X), block):
            rows = slice(start, start + block)
            out[rows] = step(X[rows].astype(np.float64))
        return out


def _mean(X):
    mean = X.mean(axis=0, dtype=np.float64)
    # The rounded mean of a constant column may differ from the constant in the last
    # bit; centring would then leave noise for the normalisation to blow up.
    constant = X.min(axis=0) == X.max(axis=0)
    mean[constant] = X[0, constant]
    return mean


def _normalize(rows):
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
