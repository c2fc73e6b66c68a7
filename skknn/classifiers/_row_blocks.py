"""Blocks of rows of which a table, of neighbours or of classes, stays small."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..utils._sklearn import safe_indexing
from ..utils._slices import blocks_of

# Entries of a table that are handled at a time: 32 MiB of float64.
_BLOCK = 1 << 22


def row_blocks(
    n_rows: int, n_columns: int, n_entries: int | None = None
) -> Sequence[slice]:
    """Slices of rows, one after the other; an empty one where there are no rows.

    Parameters
    ----------
    n_rows, n_columns : int
        Of the table.
    n_entries : int or None
        Of a block; None takes 32 MiB of float64.

    Returns
    -------
    sequence of slice
    """
    return blocks_of(n_rows, n_columns, n_entries or _BLOCK) or [slice(0, 0)]


def table_blocks(rows: Any, n_columns: int) -> Iterator[slice | None]:
    """The same for rows of any kind; None, all of them, for what cannot be sliced."""
    if hasattr(rows, "shape"):
        yield from row_blocks(rows.shape[0], n_columns)
    elif isinstance(rows, list | tuple):
        yield from row_blocks(len(rows), n_columns)
    else:
        yield None


def take_rows(rows: Any, part: slice | None) -> Any:
    """The rows of one of :func:`table_blocks`.

    Parameters
    ----------
    rows : array, data frame, list or None
    part : slice or None

    Returns
    -------
    object of the kind of ``rows``
        ``rows`` itself where that is all of them.
    """
    if rows is None or part is None:
        return rows
    n_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    if part == slice(0, n_rows):
        return rows
    return safe_indexing(rows, part)
