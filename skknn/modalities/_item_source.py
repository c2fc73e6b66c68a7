"""The contract between a modality and the extraction loop."""

from collections.abc import Iterable
from typing import Any, Protocol


class BadItemError(OSError, ValueError):
    """A row of ``X`` that cannot be used; the message names it and a remedy.

    Both a ``ValueError`` and an ``OSError``, because what is wrong may be the value or
    the file behind it.

    Parameters
    ----------
    message : str
    row : int, optional
        Position in ``X``.
    file : str, optional
        The file, where the row is a path.
    problem : str, default=""
        What is wrong, alone.
    reason : str, default=""
        Row, file and what is wrong, without the remedy.
    remedy : str, default=""
        What to do about it.
    argument : str, default="X"
        Name of the argument that the row is in.

    Attributes
    ----------
    row, file, problem, reason, remedy, argument
        As given.
    """

    def __init__(
        self,
        message: str,
        *,
        row: int | None = None,
        file: str | None = None,
        problem: str = "",
        reason: str = "",
        remedy: str = "",
        argument: str = "X",
    ) -> None:
        super().__init__(message)
        self.row, self.file = row, file
        self.problem, self.reason = problem, reason
        self.remedy, self.argument = remedy, argument


class Content(Protocol):
    """What one item consists of before it is decoded.

    Attributes
    ----------
    n_bytes : int
        Memory that it holds.
    """

    @property
    def n_bytes(self) -> int: ...

    def digest(self) -> bytes:
        """Return 20 bytes that stand for the content, the same in every process."""
        ...


class ItemSource(Protocol):
    """Items of one modality: images, and as well texts or sounds.

    Rows are read and decoded when they are asked for, from several threads at once.

    Attributes
    ----------
    unit : str
        What one item is called in messages, such as "image".
    """

    @property
    def unit(self) -> str: ...

    def __len__(self) -> int: ...

    def fetch(self, row: int) -> Content:
        """Read, but do not decode, one item.

        Raises
        ------
        BadItemError
            If it cannot be read.
        """
        ...

    def item(self, row: int, content: Any = None) -> Any:
        """Decode one item, for images to an :class:`RGBImage`.

        Parameters
        ----------
        row : int
        content : Content, optional
            What :meth:`fetch` gave; fetched again if not given.

        Raises
        ------
        BadItemError
            If it cannot be read or decoded.
        """
        ...

    def part(self, low: int, high: int) -> "ItemSource":
        """Return consecutive rows, to be handed to another process."""
        ...

    def rows(self, chosen: Iterable[int]) -> "ItemSource":
        """Return some rows. Errors go on naming their rows in the whole."""
        ...

    def bad(self, row: int, error: BaseException) -> BadItemError:
        """Return the error that says what is wrong with a row."""
        ...
