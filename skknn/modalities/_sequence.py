"""Recognise what ``X`` is and give its images one by one, decoded late."""

import copy
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ._decode import BadImageError, from_array, from_bytes, from_pil, from_tensor
from ._decode import is_tensor as _is_tensor

_ACCEPTED = (
    "Accepted are: a list, array or Series of file paths, PIL images or arrays "
    "(height, width[, 1, 3 or 4]); one array (n, height, width[, channels]); a torch "
    "tensor (n, channels, height, width); a torch Dataset; 2-D rows of flattened "
    "images"
)

_PIL_LOCKS = [threading.Lock() for _ in range(64)]


class Source:
    """One image before it is decoded: its content, digest and name.

    Parameters
    ----------
    obj : bytes, PIL image, array or tensor
        What will be decoded.
    """

    __slots__ = ("obj", "_image")

    def __init__(self, obj):
        self.obj = obj
        self._image = None

    def digest(self):
        """Return 20 bytes that stand for the content: of the file as it is on
        disk, or of the decoded pixels where there is no file."""
        if isinstance(self.obj, bytes):
            return hashlib.blake2b(self.obj, digest_size=20, person=b"file").digest()
        image = self.image()
        size = f"{image.width}x{image.height}:".encode()
        state = hashlib.blake2b(size, digest_size=20, person=b"pixels")
        state.update(image.tobytes())
        return state.digest()

    def image(self):
        """Return the 8-bit RGB PIL image."""
        if self._image is None:
            self._image = _decode(self.obj)
        return self._image


class ImageSequence:
    """A sequence of images that are fetched and decoded one at a time.

    Parameters
    ----------
    items : sequence
        Anything with ``len`` and integer indexing.
    is_dataset : bool
        Whether ``items`` is a torch Dataset: it must not be indexed from two threads
        at once, and an item may be a tuple that begins with the image.
    """

    def __init__(self, items, *, is_dataset=False):
        self.items = items
        self._lock = threading.Lock() if is_dataset else None
        self._first = 0

    def __len__(self):
        return len(self.items)

    def __getstate__(self):
        return self.__dict__ | {"_lock": self._lock is not None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock() if self._lock else None

    def part(self, start, stop):
        """Return consecutive images, to be handed to another process."""
        part = copy.copy(self)
        part._first = self._first + start
        if self._lock:
            part.items = _Span(self.items, start, stop)
        elif isinstance(self.items, (list, tuple)):
            part.items = [_absolute(item) for item in self.items[start:stop]]
        else:
            part.items = self.items[start:stop]
        return part

    def describe(self, row):
        """Name a row for an error message."""
        number = self._first + row
        item = None if self._lock else self.items[row]
        if isinstance(item, (str, os.PathLike)):
            return f"row {number} ({os.fspath(item)!r})"
        return f"row {number}"

    def fetch(self, row):
        """Read (not yet decode) one image.

        Raises
        ------
        BadImageError
            If the row is no image or its file cannot be read.
        """
        try:
            if self._lock:
                with self._lock:
                    item = self.items[row]
                if isinstance(item, (tuple, list)) and len(item):
                    item = item[0]
            else:
                item = self.items[row]
            return Source(_read(item))
        except Exception as error:
            raise self.bad(row, error) from error

    def image(self, row, source=None):
        """Fetch, unless given, and decode one image to 8-bit RGB.

        Raises
        ------
        BadImageError
            If the row is no image or cannot be decoded.
        """
        source = self.fetch(row) if source is None else source
        try:
            return source.image()
        except Exception as error:
            raise self.bad(row, error) from error

    def bad(self, row, error):
        """Return the :class:`BadImageError` that says what is wrong with a row."""
        if isinstance(error, BadImageError):
            return error
        text = str(error).strip() or type(error).__name__
        reason = f"{self.describe(row)} cannot be used as an image: {text}"
        bad = BadImageError(
            f"X: {reason}. Mend or remove it, or pass on_error='nan' to get a row of "
            "NaN in its place."
        )
        bad.reason = reason
        bad.row = self._first + row
        return bad


def is_rows(X):
    """Tell whether ``X`` is a 2-D table of numbers: one flattened image a row."""
    if hasattr(X, "toarray") or type(X).__name__ in ("csr_array", "csc_array"):
        return True
    if _is_image(X) or isinstance(X, (str, bytes, os.PathLike, Mapping)):
        return False
    if _is_column_of_items(X):
        return False
    ndim = getattr(X, "ndim", None)
    if ndim is None and hasattr(X, "shape"):
        ndim = len(X.shape)
    if ndim is None and hasattr(X, "__array__") and not _is_dataset(X):
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


def as_images(X):
    """Give the images of ``X`` as a sequence; 2-D rows are not handled here.

    Parameters
    ----------
    X : list, array, Series, tensor or torch Dataset
        See the accepted forms in the error below.

    Returns
    -------
    ImageSequence

    Raises
    ------
    TypeError, ValueError
        If ``X`` is none of the accepted forms, or is empty.
    """
    if isinstance(X, ImageSequence):
        return X
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            f"X={X!r} is a single {'path' if not isinstance(X, bytes) else 'image'}, "
            "not a sequence of them. Pass a list, such as [path]; for a folder with "
            "one sub-folder a class use skknn.datasets.load_image_folder(path).data"
        )
    if _is_image(X):
        raise ValueError("X is a single PIL image. Pass a list, such as [image]")
    if _is_dataset(X):
        if not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
            raise TypeError(
                f"X is a {type(X).__name__} without length. Pass a map-style Dataset, "
                "or a list of its items"
            )
        images = ImageSequence(X, is_dataset=True)
    elif _is_tensor(X):
        images = ImageSequence(_checked_tensor(X))
    elif _is_column_of_items(X):
        images = ImageSequence(list(np.asarray(X, dtype=object).ravel()))
    elif isinstance(X, (list, tuple)):
        images = ImageSequence(X)
    elif isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise TypeError(
            f"X is a {type(X).__name__}, which holds no images. {_ACCEPTED}"
        )
    elif isinstance(X, np.ndarray) or hasattr(X, "__array__"):
        images = ImageSequence(_checked_array(np.asarray(X)))
    else:
        images = ImageSequence(list(X))
    if len(images) == 0:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required"
        )
    return images


def _checked_array(array):
    if array.dtype.kind in "OUS":
        if array.ndim != 1:
            raise ValueError(
                f"X is an array of {array.dtype} with shape {array.shape}. Paths and "
                "images come as one column: use X.ravel()"
            )
        return array
    if array.ndim == 1 or array.ndim == 0:
        raise ValueError(
            f"Expected 2D array or images, got {array.ndim}D array of numbers "
            f"instead. Reshape your data with X.reshape(1, -1) if it is one flattened "
            f"image. {_ACCEPTED}"
        )
    if array.ndim not in (3, 4):
        raise ValueError(f"X has shape {array.shape}. {_ACCEPTED}")
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        hint = ""
        if array.shape[1] in (1, 3, 4):
            hint = " The channels come first here: use X.transpose(0, 2, 3, 1)."
        raise ValueError(
            f"X has shape {array.shape}, hence {array.shape[3]} channels; allowed are "
            f"1 (grey), 3 (RGB) and 4 (RGBA) in the last axis.{hint}"
        )
    return array


def _checked_tensor(tensor):
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
    return tensor


class _Span:
    """Consecutive items of a Dataset."""

    def __init__(self, items, start, stop):
        self.items, self.start, self.stop = items, start, stop

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, row):
        return self.items[self.start + row]


def _absolute(item):
    """A path that another process can follow; anything else as it is."""
    return os.path.abspath(item) if isinstance(item, (str, os.PathLike)) else item


def _read(item):
    if isinstance(item, (str, os.PathLike)):
        return _read_file(item)
    if isinstance(item, np.str_):
        return _read_file(str(item))
    if isinstance(item, bytes) or _is_image(item) or _is_tensor(item):
        return item
    if isinstance(item, np.ndarray):
        return item
    if isinstance(item, (list, tuple)):
        return np.asarray(item)
    raise TypeError(
        f"a {type(item).__name__} ({item!r:.60}) is no path, PIL image, array or tensor"
    )


def _read_file(path):
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ValueError(
                "it is a directory. List its files, or use "
                "skknn.datasets.load_image_folder"
            )
        # Reading a pipe or a device could wait forever.
        if not stat.S_ISREG(mode):
            raise ValueError("it is not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        if str(path).startswith(("http:", "https:", "ftp:")):
            raise ValueError("it is a web address: download it first") from None
        raise ValueError(f"no such file (looked from {os.getcwd()!r})") from None
    except PermissionError:
        raise ValueError("permission to read the file was denied") from None


def _decode(obj):
    if isinstance(obj, bytes):
        return from_bytes(obj)
    if _is_image(obj):
        # The same object may be in several rows, and loading is not thread-safe.
        with _PIL_LOCKS[id(obj) // 64 % len(_PIL_LOCKS)]:
            return from_pil(obj)
    if _is_tensor(obj):
        return from_tensor(obj)
    return from_array(obj)


def _is_image(obj):
    from PIL import Image

    return isinstance(obj, Image.Image)


def _is_dataset(obj):
    if "torch" not in sys.modules:
        return False
    from torch.utils.data import Dataset

    return isinstance(obj, Dataset)


def _is_column_of_items(X):
    """A single column of paths or images, as ColumnTransformer cuts it out."""
    shape = getattr(X, "shape", ())
    if len(shape) != 2 or shape[1] != 1 or shape[0] == 0 or hasattr(X, "toarray"):
        return False
    array = np.asarray(X)
    if array.dtype.kind == "U":
        return True
    first = array[0, 0]
    return array.dtype == object and (
        isinstance(first, (str, os.PathLike, np.ndarray)) or _is_image(first)
    )
