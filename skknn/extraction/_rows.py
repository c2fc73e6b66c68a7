"""The rows of a run: a table that fills up, whatever comes first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

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
    others : dict row -> ndarray of float32
        Rows of another length than the first one; in ``values`` their places have no
        meaning. Only maps of images of several sizes have any.
    n_shortened : int
        Items that were cut to what the backbone takes, of those that were computed.
    """

    values: NDArray[np.float32]
    bad: list[tuple[int, str]]
    others: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    n_shortened: int = 0


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
        self._others: dict[int, NDArray[np.float32]] = {}

    def deliver(self, rows: list[int], value: NDArray[np.float32]) -> None:
        """Fill in the one value of some rows."""
        if self._values is None:
            self._values = self._allocate(len(value))
        if len(value) == self._values.shape[1]:
            self._values[rows] = value
        else:
            self._others.update(dict.fromkeys(rows, value))
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
        return Rows(self._values, sorted(self._bad), self._others)

    def _allocate(self, width: int) -> NDArray[np.float32]:
        return np.empty((len(self._items), width), dtype=np.float32)


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Put the rows of consecutive parts together; their widths may differ."""
    width = parts[0].values.shape[1]
    starts = np.cumsum([0, *(len(part.values) for part in parts)])
    table = np.empty((starts[-1], width), dtype=np.float32)
    bad: list[tuple[int, str]] = []
    others: dict[int, NDArray[np.float32]] = {}
    for start, part in zip(starts.tolist(), parts):
        bad += [(start + row, reason) for row, reason in part.bad]
        if part.values.shape[1] == width:
            table[start : start + len(part.values)] = part.values
            others |= {start + row: value for row, value in part.others.items()}
            continue
        for row, usual in enumerate(part.values):
            value = part.others.get(row, usual)
            if len(value) == width:
                table[start + row] = value
            else:
                others[start + row] = value
    for row, _ in bad:
        table[row] = np.nan
        others.pop(row, None)
    return Rows(table, bad, others, sum(part.n_shortened for part in parts))
