"""Texts: strings with a digest, and errors that name the row."""

import copy
import hashlib
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

from ._columns import list_of_items
from ._item_source import BadItemError


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


class TextSource:
    """A sequence of texts: an :class:`~skknn.modalities.ItemSource`.

    Parameters
    ----------
    items : list
        Strings; anything else is a row that cannot be used.
    """

    unit = "text"

    def __init__(self, items: list[Any]) -> None:
        self._items = items
        # Of every row, its number in what the user gave.
        self._numbers: Sequence[int] = range(len(items))

    def __len__(self) -> int:
        return len(self._numbers)

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

    def part(self, low: int, high: int) -> "TextSource":
        """Return consecutive texts, to be handed to another process."""
        return self.rows(range(low, high))

    def rows(self, chosen: Iterable[int]) -> "TextSource":
        """Return some texts. Errors go on naming their rows in the whole."""
        rows, taken = [int(row) for row in chosen], copy.copy(self)
        taken._items = [self._items[row] for row in rows]
        taken._numbers = [self._numbers[row] for row in rows]
        return taken

    def bad(self, row: int, error: BaseException) -> BadTextError:
        """Return the error that says what is wrong with a row."""
        if isinstance(error, BadTextError):
            return error
        problem = str(error).strip() or type(error).__name__
        number = self._numbers[row]
        reason = f"row {number} cannot be used as a text: {problem}"
        return BadTextError(
            f"X: {reason}. Leave such rows out, with their labels, or put a text in "
            "their place, such as 'missing'. Or pass on_error='nan' to get a row of "
            "NaN.",
            row=number,
            problem=problem,
            reason=reason,
        )


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
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return f"it is missing ({item!r})"
    if isinstance(item, numbers.Real) and item != item:
        return f"it is missing ({item!r})"
    if isinstance(item, numbers.Number):
        return f"it is a number ({item!r}). Convert numbers by str(), if they are meant"
    if isinstance(item, (bytes, bytearray)):
        return f"it is bytes ({bytes(item)!r:.40}). Decode them: item.decode('utf-8')"
    return f"a {type(item).__name__} ({item!r:.40}) is no str"
