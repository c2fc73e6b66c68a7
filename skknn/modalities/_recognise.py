"""Recognise what ``X`` and what its items are, without importing torch."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image


def is_table(X: Any) -> bool:
    """Tell whether ``X`` is a 2-D table of numbers: one flattened item a row."""
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
        return ndim == 2
    if isinstance(X, Sequence) and len(X):
        first = X[0]
        if isinstance(first, np.ndarray):
            return first.ndim == 1
        if isinstance(first, (list, tuple)):
            inner = first[0] if len(first) else 0
            return not isinstance(inner, (list, tuple, np.ndarray))
    return False


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
