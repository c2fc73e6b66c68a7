"""Errors over NaN and infinity that say where they are, and where they come from."""

from typing import Any

import numpy as np

_SHOWN = 10  # rows that a message names


def with_place(error: ValueError, X: Any) -> ValueError:
    """Return the error of scikit-learn's validation with the place of what is wrong.

    Rows of nothing but NaN are what ``on_error="nan"`` leaves of images that cannot be
    read. Imputing them, or taking another model, as scikit-learn recommends, would be
    wrong: the error names the way to go on instead.

    Parameters
    ----------
    error : ValueError
        As raised for ``X``; returned as it is if it is not about NaN or infinity.
    X : array-like of shape (n, n_features)
    """
    if "NaN" not in str(error) and "infinity" not in str(error):
        return error
    try:
        values = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        return error
    bad = ~np.isfinite(values)
    if bad.ndim != 2 or not bad.any():
        return error
    lost = np.flatnonzero(np.isnan(values).all(axis=1))
    if len(lost) and values.shape[1] > 1:
        shown = ", ".join(map(str, lost[:_SHOWN]))
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        rows = f"row{'s' * (len(lost) > 1)} {shown}{more}"
        return ValueError(
            f"Input X contains NaN: every value of {rows} is NaN ({len(lost)} of "
            f"{len(values)} rows). An embedder with on_error='nan' gives such rows for "
            "what cannot be read. Leave it out, with its labels, before the first step "
            "of the Pipeline; of images, X, y, bad = "
            "skknn.datasets.drop_unreadable(X, y) does so before fit, X, bad = "
            "skknn.datasets.drop_unreadable(X) before predict. Of texts, sounds and "
            "other rows remove those that are named here."
        )
    row, column = np.argwhere(bad)[0]
    n_rows = int(bad.any(axis=1).sum())
    return ValueError(
        f"{error}\nThe first bad value of X is in row {row}, column {column}; rows "
        f"with one: {n_rows}. Remove these rows or impute them."
    )
