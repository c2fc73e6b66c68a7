"""Labels that are missing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_labels_present(y: NDArray[Any], name: str = "y") -> None:
    """Raise an error that names the first row without a label.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    name : str
        What the error calls them.
    """
    if y.dtype.kind not in "fO":
        return
    missing = np.array([_is_missing(label) for label in y], dtype=bool)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"{name} has no label in row {row} ({name}[{row}] is {y[row]!r}; NaN "
            f"and None mean missing); rows without one: {missing.sum()}. Remove these "
            "rows or label them."
        )


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA is neither equal nor unequal to itself
        return True
