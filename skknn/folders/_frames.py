"""Tables: pandas is loaded here, and only when one is made."""

import csv
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._optional import import_optional
from ..utils._write_at_once import write_at_once

_BETWEEN = "; "
# What spreadsheet programs take for a formula, and may run, at the start of a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def data_frame(data: Any, **settings: Any) -> Any:
    """Make a pandas DataFrame."""
    pandas = import_optional(
        "pandas", extra="frames", needed_for="A folder's answer in tables"
    )
    return pandas.DataFrame(data, **settings)


def check_pandas() -> None:
    """Refuse to begin without pandas: better now than in an hour."""
    data_frame({})


def best_two(proba: NDArray[Any], classes: NDArray[Any]) -> dict[str, Any]:
    """Columns of the most probable class and of the next, each with its probability.

    Parameters
    ----------
    proba : ndarray of shape (n, n_classes)
    classes : ndarray of shape (n_classes,)
        At least two.

    Returns
    -------
    dict
        ``label``, ``probability``, ``runner_up``, ``runner_up_probability``; a tie goes
        to the class sorted first.
    """
    order = np.argsort(-proba, axis=1, kind="stable")[:, :2]
    values = np.take_along_axis(proba, order, axis=1)
    return {
        "label": classes[order[:, 0]],
        "probability": values[:, 0],
        "runner_up": classes[order[:, 1]],
        "runner_up_probability": values[:, 1],
    }


def write_csv(frame: Any, path: str | os.PathLike) -> None:
    """Write a table as CSV; cells that hold a list get "; " between its parts.

    Texts that a spreadsheet program would take for a formula, such as the name of a
    file ``=cmd.jpg``, get an apostrophe in front, which such programs do not show.

    Parameters
    ----------
    frame : DataFrame
    path : str or Path
    """
    text = frame.copy()
    for name in text.columns:
        if any(isinstance(cell, (list, tuple, np.ndarray)) for cell in text[name]):
            text[name] = [_in_one_cell(cell) for cell in text[name]]
        if any(_is_formula(cell) for cell in text[name]):
            text[name] = [f"'{c}" if _is_formula(c) else c for c in text[name]]
    # A carriage return is no reason to quote for pandas, and ends a line for readers.
    returns = any("\r" in str(cell) for name in text for cell in text[name])
    # Names of files need not be UTF-8: their bytes go through as they are.
    text.to_csv(
        path,
        index=False,
        float_format="%.4f",
        errors="surrogateescape",
        quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
    )


def write_csv_at_once(frame: Any, path: str | os.PathLike) -> None:
    """Write a table as CSV; it appears when it is complete.

    Parameters
    ----------
    frame : DataFrame
    path : str or Path
        Its folder is made if there is none.
    """
    write_at_once(path, lambda beside: write_csv(frame, beside))


def _in_one_cell(cell: Any) -> Any:
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return cell
    return _BETWEEN.join(
        f"{part:.4f}" if isinstance(part, float) else str(part) for part in cell
    )


def _is_formula(cell: Any) -> bool:
    """Whether a cell is text that is no number and begins like a formula."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
