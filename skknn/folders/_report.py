"""The HTML report of an answer."""

import os
from collections.abc import Callable
from typing import Any

from .. import inspection

#: Its name among the results.
REPORT = "report.html"


def can_report() -> bool:
    """Whether this version of the package draws reports."""
    return _writer() is not None


def write_report(answer: Any, path: str | os.PathLike) -> None:
    """Write the report of a FolderAnswer, one self-contained file."""
    write = _writer()
    assert write is not None, "can_report is asked first"
    write(answer, path)


def _writer() -> Callable[..., Any] | None:
    return getattr(inspection, "write_report", None)
