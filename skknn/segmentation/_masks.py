"""Masks of every form -> arrays of class numbers."""

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Modes of Pillow whose pixels are class numbers, as they are.
_MODES = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}


def read_mask(mask: Any, number: int = 0) -> NDArray[np.integer]:
    """Return one mask as integers.

    Parameters
    ----------
    mask : array-like of integers (H, W), PIL image or path
        Of palette images the numbers, not the colours.
    number : int
        The mask's, for messages.

    Returns
    -------
    ndarray of shape (H, W)

    Raises
    ------
    ValueError
        If it is none of these.
    """
    found = mask
    if isinstance(mask, (str, os.PathLike)):
        found = _read_file(mask, number)
    elif hasattr(mask, "getbands"):
        found = _from_pil(mask, number)
    labels = np.asarray(found)
    if labels.ndim == 3 and 1 in (labels.shape[0], labels.shape[2]):
        labels = labels[0] if labels.shape[0] == 1 else labels[:, :, 0]
    if labels.ndim != 2 or labels.dtype.kind not in "iub" or labels.size == 0:
        raise ValueError(
            f"Mask {number} has shape {labels.shape} and dtype {labels.dtype}; it must "
            "be (height, width) of integers, one class number a pixel. Turn colours "
            "into class numbers first."
        )
    return labels.astype(np.uint8) if labels.dtype.kind == "b" else labels


def read_labels(
    mask: Any,
    number: int,
    ignore_index: int | None,
    size: tuple[int, int] | None = None,
) -> NDArray[np.integer]:
    """Return one mask whose labels are 0 or larger, or void.

    Parameters
    ----------
    mask, number
        As for :func:`read_mask`.
    ignore_index : int or None
    size : (height, width), optional
        Of the image, whose aspect the mask must have.

    Raises
    ------
    ValueError
        Also if another label is negative, or the mask is of another aspect.
    """
    labels = read_mask(mask, number)
    if size is not None and not _same_aspect(labels.shape, size):
        file = f" ({os.fspath(mask)!r})" if isinstance(mask, (str, os.PathLike)) else ""
        raise ValueError(
            f"Mask {number}{file} has (height, width) {labels.shape}, image {number} "
            f"{tuple(size)}: a mask is laid over all of its image and must have its "
            "aspect, at any size. Pair masks with their images, give both the same "
            "crop, and turn masks of photos that were turned upright (EXIF)."
        )
    negative = labels[labels < 0]
    negative = negative[negative != ignore_index]
    if negative.size:
        raise ValueError(
            f"Mask {number} contains {negative.min()}. Labels are 0 or larger; name a "
            f"negative void label in ignore_index, which is {ignore_index}."
        )
    return labels


def _same_aspect(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one is the other at another size, its sides rounded to pixels."""
    for (h, w), (height, width) in ((one, other), (other, one)):
        if abs(h / height - w / width) <= 1 / height + 1 / width:
            return True
    return False


def _read_file(path: str | os.PathLike, number: int) -> NDArray:
    """Read a file as images are: no devices, no bombs."""
    from ..modalities._encoded import open_encoded
    from ..modalities._files import read_file

    # Files that are cut off or no masks raise all kinds of errors.
    try:
        data = read_file(path)
        if os.fspath(path).lower().endswith(".npy"):
            return np.load(io.BytesIO(data), allow_pickle=False)
        image = open_encoded(data)
        image.load()
    except Exception as error:
        raise ValueError(
            f"Mask {number} ({os.fspath(path)!r}) cannot be read: {error}"
        ) from error
    return _from_pil(image, number)


def _from_pil(image: Any, number: int) -> NDArray:
    from ..modalities._decode import first_frame
    from ..modalities._encoded import check_size

    if image.mode not in _MODES:
        raise ValueError(
            f"Mask {number} is an image of mode {image.mode!r}: colours. Class numbers "
            "are grey (L, I) or palette (P) images; turn colours into numbers first."
        )
    try:
        check_size(image)
        return np.array(first_frame(image))
    except Exception as error:
        raise ValueError(f"Mask {number} cannot be read: {error}") from error
