"""Recognise what ``X`` and what its items are, without importing torch."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image


def is_table(X: Any) -> bool:
    """Tell whether ``X`` is a 2-D table of numbers: one flattened item a row.

    Raises
    ------
    ValueError
        If ``X`` is a masked array.
    """
    check_not_masked(X)
    if hasattr(X, "toarray") or type(X).__name__ in ("csr_array", "csc_array"):
        return True
    if isinstance(X, (Image.Image, str, bytes, os.PathLike, Mapping)):
        return False
    if is_column_of_items(X):
        return False
    ndim = getattr(X, "ndim", None)
    if ndim is None and hasattr(X, "shape"):
        ndim = len(X.shape)
    if ndim is None and hasattr(X, "__array__") and not is_dataset(X):
        ndim = np.asarray(X).ndim
    if ndim is not None:
        return ndim == 2 and not _begins_with_item(X)
    if isinstance(X, Sequence) and len(X):
        first = X[0]
        if isinstance(first, np.ndarray):
            return first.ndim == 1
        if isinstance(first, (list, tuple)):
            inner = first[0] if len(first) else 0
            return not (isinstance(inner, (list, tuple, np.ndarray)) or is_item(inner))
    return False


def is_item(obj: Any) -> bool:
    """Tell whether ``obj`` is one image by its type: a path, a PIL image, pixels."""
    if isinstance(obj, (str, bytes, os.PathLike, Image.Image)):
        return True
    return hasattr(obj, "dtype") and getattr(obj, "ndim", 0) >= 2


def without_label(item: Any) -> Any:
    """Return the image of ``(image, label)``; any other item as it is.

    A list of several arrays or tensors is left alone: it may be one image in planes.
    """
    if not isinstance(item, (tuple, list)) or not item or not is_item(item[0]):
        return item
    if isinstance(item, list) and all(hasattr(part, "dtype") for part in item):
        return item
    return item[0]


def check_not_masked(X: Any) -> None:
    """Refuse masked arrays, whose hidden values would be read as pixels."""
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(
            "X is a masked array, and its mask would be lost: what it hides would be "
            "read as pixels. Pass X.filled(value)"
        )


def _begins_with_item(X: Any) -> bool:
    """Recognise a table whose first column holds paths or images."""
    shape = getattr(X, "shape", ())
    if len(shape) != 2 or 0 in shape:
        return False
    if hasattr(X, "dtype"):
        if getattr(X.dtype, "kind", "") not in "OUS":
            return False
        return is_item(X[0, 0])
    iloc = getattr(X, "iloc", None)
    return is_item(X[0, 0] if iloc is None else iloc[0, 0])


def is_dataset(X: Any) -> bool:
    """Tell whether ``X`` is a torch Dataset."""
    if "torch" not in sys.modules:
        return False
    from torch.utils.data import Dataset

    return isinstance(X, Dataset)


def is_column_of_items(X: Any) -> bool:
    """Recognise a single column of paths or images, as ColumnTransformer cuts it."""
    shape: Any = getattr(X, "shape", ())
    if len(shape) != 2 or shape[1] != 1 or shape[0] == 0 or hasattr(X, "toarray"):
        return False
    array = np.asarray(X)
    if array.dtype.kind == "U":
        return True
    items = (str, os.PathLike, np.ndarray, Image.Image)
    return array.dtype == object and isinstance(array[0, 0], items)
