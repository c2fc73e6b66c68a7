"""The rows of an index, and what searches need to know of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

# Rows all shorter than this lose digits when their entries are squared.
_SHORT = 1e-140


@dataclass(frozen=True, eq=False)
class IndexRows:
    """Rows that can be searched.

    ``shift`` is subtracted before products are taken; norms are those of shifted rows.
    ``rooted`` says that distances are Euclidean, not their squares: order is by the
    distance that is returned, and a square root merges neighbouring numbers. All but
    the shift is known row by row, and any shift will do: rows can come and go.
    """

    values: NDArray  # (n_samples, n_features), float32 or float64, C-contiguous
    shift: NDArray[np.float64] | None  # (n_features,); None where it would not help
    half_squared_norms: NDArray[np.float64]  # (n_samples,)
    largest_norm: float
    rooted: bool = False

    @classmethod
    def from_array(cls, X: NDArray, rooted: bool = False) -> "IndexRows":
        """Measure ``X`` of shape (n_samples, n_features), which is kept."""
        shift = _helpful_shift(X)
        half = np.empty(len(X))
        rows = cls(X, shift, half, np.inf, rooted)
        for part, block in rows.shifted_blocks():
            half[part] = np.einsum("ij,ij->i", block, block) / 2
        largest = float(np.sqrt(2 * half.max())) * (1 + 1e-12)
        if largest < _SHORT and 0 < np.abs(X).max() < _SHORT:
            raise ValueError(
                f"Squared distances between rows underflow float64: the largest entry "
                f"is {np.abs(X).max():.3g}. Scale X, for example with StandardScaler, "
                "or use preprocessing='center-l2'."
            )
        return cls(X, shift, half, largest, rooted)

    def take(self, ids: NDArray[np.intp]) -> "IndexRows":
        """Some of the rows, in this order."""
        half = self.half_squared_norms[ids]
        return replace(self, values=self.values[ids], half_squared_norms=half)

    def __len__(self) -> int:
        return len(self.values)

    def shifted(self, values: NDArray) -> NDArray[np.float64]:
        """Float64 copy of rows or queries, minus the shift."""
        rows = values.astype(np.float64)
        if self.shift is not None:
            rows -= self.shift
        return rows

    def shifted_blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Pairs (slice, shifted rows) over the index."""
        for part in blocks_of(len(self), 8 * self.values.shape[1]):
            yield part, self.shifted(self.values[part])


def _helpful_shift(X: NDArray) -> NDArray[np.float64] | None:
    """The mean of rows that lie off the origin; None saves a copy of centred ones."""
    mean = X.mean(axis=0, dtype=np.float64)
    energy = np.einsum("ij,ij->", X, X, dtype=np.float64) / len(X)
    return mean if 2 * (mean @ mean) > energy else None
