"""What the sources of all modalities share: numbers of rows, and errors with them."""

import copy
import os
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from ._item_source import BadItemError


class RowsOfItems:
    """A sequence of items some of which may be taken; errors name rows of the whole.

    Parameters
    ----------
    items : sequence
        Anything with ``len`` and integer indexing.
    """

    #: What one item is called.
    unit: ClassVar[str]
    _error: ClassVar[type[BadItemError]]
    # What to do about a row that cannot be used, and what besides where NaN will do.
    _remedy: ClassVar[str]
    _instead = " Or pass on_error='nan' to get a row of NaN."

    def __init__(self, items: Any) -> None:
        self._items = items
        # Of every row, its number in what the user gave.
        self._numbers: Sequence[int] = range(len(items))
        self._argument, self._every_row = "X", False

    def __len__(self) -> int:
        return len(self._numbers)

    def part(self, low: int, high: int) -> Self:
        """Return consecutive rows, to be handed to another process."""
        return self.rows(range(low, high))

    def rows(self, chosen: Iterable[int]) -> Self:
        """Return some rows. Errors go on naming their rows in the whole."""
        rows, taken = [int(row) for row in chosen], copy.copy(self)
        taken._items = [self._items[row] for row in rows]
        taken._numbers = [self._numbers[row] for row in rows]
        return taken

    def needed(self, argument: str) -> Self:
        """Return the same for a function that needs every row.

        Errors name its argument, and do not offer a row of NaN instead.
        """
        same = copy.copy(self)
        same._argument, same._every_row = argument, True
        return same

    def bad(self, row: int, error: BaseException) -> BadItemError:
        """Return the error that says what is wrong with a row."""
        if isinstance(error, self._error):
            return error
        problem = str(error).strip() or type(error).__name__
        number, file = self._numbers[row], self._file(row)
        place = f"row {number}" if file is None else f"row {number} ({file!r})"
        article = "an" if self.unit[0] in "aeiou" else "a"
        reason = f"{place} cannot be used as {article} {self.unit}: {problem}"
        remedy = self._remedy + ("" if self._every_row else self._instead_of(file))
        return self._error(
            f"{self._argument}: {reason}. {remedy}",
            row=number,
            file=file,
            problem=problem,
            reason=reason,
            remedy=remedy,
            argument=self._argument,
        )

    def _file(self, row: int) -> str | None:
        """Return the path in a row, if it is one."""
        item = self._items[row]
        return str(item) if isinstance(item, (str, os.PathLike)) else None

    def _instead_of(self, file: str | None) -> str:
        return self._instead
