"""Texts: strings with a digest, and errors that name the row."""

import hashlib
import numbers
from typing import Any

from ._columns import is_missing, list_of_items
from ._item_source import BadItemError
from ._rows_of_items import RowsOfItems


class BadTextError(BadItemError):
    """A row of ``X`` that is no text; the message names it and a remedy.

    Raised by ``fit`` and ``transform`` with a :class:`~skknn.TextBackbone`, unless they
    have ``on_error="nan"``. It is a ``ValueError`` and an ``OSError``.

    Parameters
    ----------
    message : str
    row : int, optional
        Position in ``X``.
    file : str, optional
        None: texts come from no file.
    problem : str, default=""
        What is wrong, alone.
    reason : str, default=""
        Row and what is wrong, without the remedy.
    remedy : str, default=""
        What to do about it.
    argument : str, default="X"
        Name of the argument that the row is in.

    Attributes
    ----------
    row : int or None
        As given.
    file : str or None
        As given.
    problem : str
        As given.
    reason : str
        As given.
    remedy : str
        As given.
    argument : str
        As given.

    Examples
    --------
    >>> from skknn.modalities import BadTextError, as_texts
    >>> try:
    ...     as_texts(["a text", None]).item(1)
    ... except BadTextError as error:
    ...     print(error.row, error.problem)
    1 it is missing (None)
    """


class TextContent:
    """One text as it came.

    Parameters
    ----------
    text : str
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def n_bytes(self) -> int:
        """Memory that it holds, about."""
        return len(self.text)

    def digest(self) -> bytes:
        """Return 20 bytes that stand for the text."""
        data = self.text.encode()
        return hashlib.blake2b(data, digest_size=20, person=b"text").digest()


class TextSource(RowsOfItems):
    """A sequence of texts: an :class:`~skknn.modalities.ItemSource`.

    Parameters
    ----------
    items : list
        Strings; anything else is a row that cannot be used.
    """

    unit = "text"
    _error = BadTextError
    _remedy = (
        "Leave such rows out, with their labels, or put a text in their place, such as "
        "'missing'."
    )

    def fetch(self, row: int) -> TextContent:
        """Return the text of a row.

        Raises
        ------
        BadTextError
            If it is no string, an empty one, or no valid Unicode.
        """
        item = self._items[row]
        problem = _problem(item)
        if problem:
            raise self.bad(row, ValueError(problem))
        return TextContent(str(item))

    def item(self, row: int, content: TextContent | None = None) -> str:
        """Return the text of a row; errors as in :meth:`fetch`."""
        return (self.fetch(row) if content is None else content).text

    def _file(self, row: int) -> None:
        """Texts come from no file."""


def as_texts(X: Any) -> TextSource:
    """Give the texts of ``X``.

    Parameters
    ----------
    X : list, tuple, 1-D array or Series of str, or a data frame of one column

    Returns
    -------
    TextSource
        Rows are not looked at yet.

    Raises
    ------
    TypeError, ValueError
        If ``X`` is no column, or is empty.
    """
    return TextSource(list_of_items(X, unit="text", single=(str, bytes)))


def _problem(item: Any) -> str:
    """Say why an item is no text; nothing where it is one."""
    if isinstance(item, str):
        if not item.strip():
            return "it is empty" if not item else "it holds white space alone"
        try:
            item.encode()
        except UnicodeEncodeError as error:
            return f"it is no valid Unicode ({error})"
        return ""
    if is_missing(item):
        return f"it is missing ({item!r})"
    if isinstance(item, numbers.Number):
        return f"it is a number ({item!r}). Convert numbers by str(), if they are meant"
    if isinstance(item, (bytes, bytearray)):
        return f"it is bytes ({bytes(item)!r:.40}). Decode them: item.decode('utf-8')"
    return f"a {type(item).__name__} ({item!r:.40}) is no str"
