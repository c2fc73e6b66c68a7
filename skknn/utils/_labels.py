"""Labels that are missing, or cannot be told apart by sorting."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d


def as_labels(y: Any, *, warn: bool = False) -> NDArray[Any]:
    """Labels, or groups, as an array with one axis.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
    warn : bool
        Whether a column is worth a warning.
    """
    if isinstance(y, (list, tuple)) and len({isinstance(x, str) for x in y}) == 2:
        # numpy would make text of numbers, NaN and None beside text.
        y = np.asarray(y, dtype=object)
    return column_or_1d(y, warn=warn)


def check_labels_present(y: NDArray[Any], name: str = "y") -> None:
    """Raise an error that names the first row without a label, or of another kind.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    name : str
        What the error calls them.
    """
    if y.dtype.kind not in "fcmMO":
        return
    missing = np.array([_is_missing(label) for label in y], dtype=bool)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"{name} has no label in row {row} ({name}[{row}] is {y[row]!r}; NaN, "
            f"NaT and None mean missing); rows without one: {missing.sum()}. Remove "
            "these rows or label them."
        )
    _check_sortable(y, name)


def _check_sortable(y: NDArray[Any], name: str) -> None:
    """Classes are sorted, so numbers do not go with text."""
    if y.dtype.kind != "O":
        return
    text = np.array([isinstance(label, str) for label in y], dtype=bool)
    if text.any() and not text.all():
        rows = int(text.argmax()), int((~text).argmax())
        first, second = (f"{name}[{row}] is {y[row]!r}" for row in sorted(rows))
        raise ValueError(
            f"{name} mixes text and other labels, which have no common order: {first}, "
            f"{second}. Make them all text, for example with {name}.astype(str)."
        )


def union_of_labels(*labels: NDArray[Any], name: str) -> NDArray[Any]:
    """Sorted labels that are in any of some arrays, which must be of one kind.

    Parameters
    ----------
    *labels : ndarray of shape (n_labels,)
    name : str
        What the error calls them.

    Returns
    -------
    ndarray of shape (n_labels,)
    """
    words = {
        isinstance(label, str | bytes) for part in labels for label in part.tolist()
    }
    if len(words) > 1:
        shown = ", ".join(str(part[:3].tolist()) for part in labels)
        raise ValueError(
            f"{name} mixes words and numbers ({shown}), which have no common order. "
            "Pass labels of the kind that was there before."
        )
    return np.unique(np.concatenate(labels))


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA is neither equal nor unequal to itself
        return True
