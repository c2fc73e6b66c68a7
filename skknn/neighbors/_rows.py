"""The rows of an index, and what searches need to know of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

# Rows all shorter than this lose digits when their entries are squared.
_SHORT = 1e-140
# Room behind n rows: a share of them, but for so many at least. Until rows come the
# system gives no memory for it.
_ROOM, _LEAST = 1 / 8, 16


class RowMemory:
    """Memory for rows, with room behind them; so far ``used`` of it is taken."""

    def __init__(self, n_rows: int, n_features: int, dtype: Any) -> None:
        room = max(_LEAST, int(_ROOM * n_rows))
        self.rows = np.empty((n_rows + room, n_features), dtype=dtype)
        self.used = n_rows

    def taken(self) -> NDArray:
        """The rows in use."""
        return self.rows[: self.used]


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
    memory: RowMemory | None = None  # that values are in, if more rows may follow

    @classmethod
    def from_array(
        cls, X: NDArray, rooted: bool = False, memory: RowMemory | None = None
    ) -> "IndexRows":
        """Measure ``X`` of shape (n_samples, n_features), which is kept."""
        rows = cls(X, _helpful_shift(X), np.empty(0), np.inf, rooted, memory)
        return rows._measured(np.empty(0))

    def take(self, ids: NDArray[np.intp]) -> "IndexRows":
        """Some of the rows, in this order."""
        memory = RowMemory(len(ids), self.values.shape[1], self.values.dtype)
        np.take(self.values, ids, axis=0, out=memory.taken(), mode="clip")
        rows = replace(self, values=memory.taken(), memory=memory)
        return rows._with_norms(self.half_squared_norms[ids])

    def append(self, more: NDArray) -> "IndexRows":
        """The rows and, behind them, more; they stay where they are if there is room.

        Other objects may have appended to the same rows: theirs are not overwritten.
        """
        n, total, memory = len(self), len(self) + len(more), self.memory
        if memory is None or memory.used != n or total > len(memory.rows):
            memory = RowMemory(total, more.shape[1], self.values.dtype)
            memory.rows[:n] = self.values
        memory.rows[n:total] = more
        memory.used = total
        rows = replace(self, values=memory.taken(), memory=memory)
        return rows._measured(self.half_squared_norms)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "memory": None}

    def _measured(self, known: NDArray[np.float64]) -> "IndexRows":
        """With norms, of which those of the first rows are known."""
        half = np.empty(len(self))
        half[: len(known)] = known
        for part, block in self.shifted_blocks(len(known)):
            half[part] = np.einsum("ij,ij->i", block, block) / 2
        rows = self._with_norms(half)
        if rows.largest_norm < _SHORT:
            peak = np.abs(self.values).max()
            if 0 < peak < _SHORT:
                raise ValueError(
                    f"Squared distances between rows underflow float64: the largest "
                    f"entry is {peak:.3g}. Scale X, for example with StandardScaler, "
                    "or use preprocessing='center-l2'."
                )
        return rows

    def _with_norms(self, half: NDArray[np.float64]) -> "IndexRows":
        largest = float(np.sqrt(2 * half.max())) * (1 + 1e-12)
        return replace(self, half_squared_norms=half, largest_norm=largest)

    def __len__(self) -> int:
        return len(self.values)

    def shifted(self, values: NDArray) -> NDArray[np.float64]:
        """Float64 copy of rows or queries, minus the shift."""
        rows = values.astype(np.float64)
        if self.shift is not None:
            rows -= self.shift
        return rows

    def shifted_blocks(
        self, start: int = 0
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Pairs (slice, shifted rows) over the index."""
        for block in blocks_of(len(self) - start, 8 * self.values.shape[1]):
            part = slice(start + block.start, start + block.stop)
            yield part, self.shifted(self.values[part])


def _helpful_shift(X: NDArray) -> NDArray[np.float64] | None:
    """The mean of rows that lie off the origin; None saves a copy of centred ones."""
    mean = X.mean(axis=0, dtype=np.float64)
    energy = np.einsum("ij,ij->", X, X, dtype=np.float64) / len(X)
    return mean if 2 * (mean @ mean) > energy else None
