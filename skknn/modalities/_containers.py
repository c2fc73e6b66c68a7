"""Every container of images that ``X`` may be -> an :class:`ImageSource`."""

import os
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._decode import is_tensor
from ._images import ImageSource
from ._recognise import check_not_masked, is_column_of_items, is_dataset, without_label

if TYPE_CHECKING:
    import torch

_ACCEPTED = (
    "Accepted are: a list, array or Series of file paths, PIL images or arrays "
    "(height, width[, 1, 3 or 4]); one array (n, height, width[, channels]); a torch "
    "tensor (n, channels, height, width); a torch Dataset; 2-D rows of flattened "
    "images"
)


def as_images(X: Any) -> ImageSource:
    """Give the images of ``X``; 2-D tables are not handled here.

    Parameters
    ----------
    X : list, array, Series, tensor or torch Dataset
        See the accepted forms in the error below.

    Returns
    -------
    ImageSource

    Raises
    ------
    TypeError, ValueError
        If ``X`` is none of the accepted forms, or is empty.
    """
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            f"X={X!r} is a single {'path' if not isinstance(X, bytes) else 'image'}, "
            "not a sequence of them. Pass a list, such as [path]; for a folder with "
            "one sub-folder a class use skknn.datasets.load_image_folder(path).data"
        )
    if isinstance(X, Image.Image):
        raise ValueError("X is a single PIL image. Pass a list, such as [image]")
    check_not_masked(X)
    if is_dataset(X):
        if not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
            raise TypeError(
                f"X is a {type(X).__name__} without length. Pass a map-style Dataset, "
                "or a list of its items"
            )
        images = ImageSource(X, is_dataset=True)
    elif is_tensor(X):
        images = ImageSource(_checked_tensor(X))
    elif is_column_of_items(X):
        images = ImageSource(list(np.asarray(X, dtype=object).ravel()))
    elif isinstance(X, (list, tuple)):
        images = ImageSource(_checked_list(X))
    elif isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise TypeError(
            f"X is a {type(X).__name__}, which holds no images. {_ACCEPTED}"
        )
    elif isinstance(X, np.ndarray) or hasattr(X, "__array__"):
        images = ImageSource(_checked_array(np.asarray(X)))
    elif not hasattr(X, "__getitem__"):
        how = "sorted(X)" if isinstance(X, Set) else "list(X)"
        raise TypeError(
            f"X is a {type(X).__name__}, whose items have no numbers that labels and "
            f"predictions could follow. Pass {how}, and labels in the same order"
        )
    else:
        images = ImageSource(_checked_list(list(X)))
    if len(images) == 0:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required"
        )
    return images


def _checked_list(items: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Return the items without labels."""
    first = items[0] if items else None
    if isinstance(first, (np.ndarray, list)):
        # Such lists are short enough to be looked at; what is none has no shape.
        try:
            _check_not_single((len(items), *np.shape(first)))
        except TypeError:
            pass
    return [without_label(item) for item in items]


def _checked_array(array: NDArray) -> NDArray | list[Any]:
    """Return pixels (n, height, width[, channels]), or the items of a column."""
    if array.dtype.kind in "OUS":
        if array.ndim != 1:
            raise ValueError(
                f"X is a table of {array.dtype} with shape {array.shape}. Paths and "
                "images come as one column: use X[:, 0] (X.iloc[:, 0] of a data "
                "frame) or X.ravel(), and pass labels as y"
            )
        return _checked_list(list(array))
    if array.ndim == 1 or array.ndim == 0:
        raise ValueError(
            f"Expected 2D array or images, got {array.ndim}D array of numbers "
            f"instead. Reshape your data with X.reshape(1, -1) if it is one flattened "
            f"image. {_ACCEPTED}"
        )
    if array.ndim not in (3, 4):
        raise ValueError(f"X has shape {array.shape}. {_ACCEPTED}")
    _check_not_single(array.shape)
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        hint = ""
        if array.shape[1] in (1, 3, 4):
            hint = " The channels come first here: use X.transpose(0, 2, 3, 1)."
        raise ValueError(
            f"X has shape {array.shape}, hence {array.shape[3]} channels; allowed are "
            f"1 (grey), 3 (RGB) and 4 (RGBA) in the last axis.{hint}"
        )
    return array


def _checked_tensor(tensor: "torch.Tensor") -> "torch.Tensor":
    if tensor.ndim == 4 and tensor.shape[1] not in (1, 3, 4):
        hint = ""
        if tensor.shape[3] in (1, 3, 4):
            hint = " The channels come last here: use X.permute(0, 3, 1, 2)."
        raise ValueError(
            f"X is a tensor of shape {tuple(tensor.shape)}, hence {tensor.shape[1]} "
            "channels; allowed are 1 (grey), 3 (RGB) and 4 (RGBA) in the second "
            f"axis.{hint}"
        )
    if tensor.ndim not in (3, 4):
        raise ValueError(f"X is a tensor of shape {tuple(tensor.shape)}. {_ACCEPTED}")
    _check_not_single(tuple(tensor.shape))
    return tensor


def _check_not_single(shape: tuple[int, ...]) -> None:
    """Refuse (height, width, channels): one image, and no stack of narrow ones."""
    if len(shape) == 3 and shape[2] in (1, 3, 4) and shape[1] != shape[2]:
        raise ValueError(
            f"X has shape {shape}, as one image has whose channels come last. Pass a "
            f"list, such as [X]. If it is {shape[0]} grey images of width {shape[2]}, "
            "give them an axis for the channel: X[..., None] (X[:, None] of a tensor)"
        )
