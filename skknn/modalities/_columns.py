"""One column of items -> a list: what texts and sounds come in, and what is missing."""

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np


def list_of_items(X: Any, *, unit: str, single: tuple[type, ...]) -> list[Any]:
    """Return the items of a list, array, Series or data frame of one column.

    Parameters
    ----------
    X : object
        What the user passed.
    unit : str
        What one item is called in messages.
    single : tuple of types
        What is one item by itself, and so no column of them.

    Returns
    -------
    list
        The items as they are, which may be of any type.

    Raises
    ------
    TypeError, ValueError
        If ``X`` is a single item, no column, or empty.
    """
    accepted = (
        f"Accepted are: a list, tuple, 1-D array or Series of {unit}s, or a data frame "
        "of one column"
    )
    if isinstance(X, single):
        raise ValueError(
            f"X={X!r:.60} is a single {unit}. Pass a list, such as [{unit}]"
        )
    if hasattr(X, "toarray"):
        raise ValueError(
            f"X is a sparse {type(X).__name__}, which holds no {unit}s. {accepted}"
        )
    if isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise TypeError(f"X is a {type(X).__name__}, which is no column. {accepted}")
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(
            "X is a masked array, and its mask would be lost. Pass X.filled(value)"
        )
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        items = _only_column(X, tuple(shape), unit, accepted)
    elif not hasattr(X, "__getitem__") and not hasattr(X, "__array__"):
        raise TypeError(
            f"X is a {type(X).__name__}, whose items have no numbers that labels and "
            "predictions could follow. Pass sorted(X), and labels in the same order"
        )
    else:
        items = list(X)
    if not items:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required"
        )
    return items


def is_missing(item: Any) -> bool:
    """Tell whether an item stands for none: None, NaN, pandas' NA and NaT."""
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, numbers.Real) and item != item


def _only_column(X: Any, shape: tuple, unit: str, accepted: str) -> list[Any]:
    if len(shape) != 2 or shape[1] != 1:
        raise ValueError(
            f"X is a {type(X).__name__} of shape {shape}; {unit}s come as one column: "
            f"use X[name] of a data frame, X[:, 0] of an array. {accepted}"
        )
    if hasattr(X, "iloc"):
        return list(X.iloc[:, 0])
    return list(np.asarray(X, dtype=object)[:, 0])
