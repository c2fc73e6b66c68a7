"""Labels that are missing, or cannot be told apart by sorting."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_labels_present(y: NDArray[Any]) -> None:
    """Raise an error that names the first row without a label, or of another kind.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    """
    if y.dtype.kind not in "fO":
        return
    missing = np.array([_is_missing(label) for label in y], dtype=bool)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"y has no label in row {row} (y[{row}] is {y[row]!r}; NaN and None mean "
            f"missing); rows without one: {missing.sum()}. Remove these rows or label "
            "them."
        )
    _check_sortable(y)


def _check_sortable(y: NDArray[Any]) -> None:
    """Classes are sorted, so numbers do not go with text."""
    if y.dtype.kind != "O":
        return
    text = np.array([isinstance(label, str) for label in y], dtype=bool)
    if text.any() and not text.all():
        rows = int(text.argmax()), int((~text).argmax())
        first, second = (f"y[{row}] is {y[row]!r}" for row in sorted(rows))
        raise ValueError(
            f"y mixes text and other labels, which have no common order: {first}, "
            f"{second}. Make them all text, for example with y.astype(str)."
        )


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA is neither equal nor unequal to itself
        return True
