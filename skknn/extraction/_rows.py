"""The rows of a run: a table that fills up, whatever comes first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..modalities import BadItemError, ItemSource
from ._progress import Progress


@dataclass(frozen=True)
class Rows:
    """What a run gives.

    Attributes
    ----------
    values : ndarray of shape (n, width), float32
    bad : list of (row, reason)
        Rows of NaN, whose items could not be used, in order.
    """

    values: NDArray[np.float32]
    bad: list[tuple[int, str]]


class RowTable:
    """Rows under way.

    Parameters
    ----------
    items : ItemSource
    on_bad_item : {"raise", "nan"}
    progress : Progress
    """

    def __init__(self, items: ItemSource, on_bad_item: str, progress: Progress) -> None:
        self._items, self._on_bad_item = items, on_bad_item
        self._progress = progress
        self._values: NDArray[np.float32] | None = None
        self._bad: list[tuple[int, str]] = []

    def deliver(self, rows: list[int], value: NDArray[np.float32]) -> None:
        """Fill in the one value of some rows."""
        if self._values is None:
            self._values = self._allocate(len(value))
        self._values[rows] = value
        self._progress.delivered(len(rows))

    def fail(self, rows: Iterable[int], error: BadItemError) -> None:
        """Leave rows NaN because their item is bad, or raise the error."""
        if self._on_bad_item == "raise":
            raise error
        rows = list(rows)
        for row in rows:
            # The same content may be in several rows, under several names.
            of_row = self._items.bad(row, error.__cause__ or error)
            self._bad.append((row, of_row.reason))
        self._progress.delivered(len(rows))

    def finish(self, width: Callable[[], int]) -> Rows:
        """Return all rows; ``width`` is called if no row has come."""
        if self._values is None:
            self._values = self._allocate(width())
        self._values[[row for row, _ in self._bad]] = np.nan
        return Rows(self._values, sorted(self._bad))

    def _allocate(self, width: int) -> NDArray[np.float32]:
        return np.empty((len(self._items), width), dtype=np.float32)
