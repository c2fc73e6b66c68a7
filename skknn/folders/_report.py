"""The HTML report of an answer."""

import os
from typing import Any

try:
    from ..inspection import write_report as _write  # type: ignore[attr-defined]
except ImportError:
    _write = None

#: Its name among the results.
REPORT = "report.html"


def can_report() -> bool:
    """Whether this version of the package draws reports."""
    return _write is not None


def write_report(answer: Any, path: str | os.PathLike) -> None:
    """Write the report of a FolderAnswer, one self-contained file."""
    assert _write is not None, "can_report is asked first"
    _write(answer, path)
