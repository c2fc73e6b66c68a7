"""Images of every form, read and decoded one at a time."""

import copy
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._decode import (
    BadImageError,
    from_array,
    from_bytes,
    from_pil,
    from_tensor,
    is_tensor,
)
from ._recognise import is_column_of_items, is_dataset
from ._rgb_image import RGBImage

if TYPE_CHECKING:
    import torch

_ACCEPTED = (
    "Accepted are: a list, array or Series of file paths, PIL images or arrays "
    "(height, width[, 1, 3 or 4]); one array (n, height, width[, channels]); a torch "
    "tensor (n, channels, height, width); a torch Dataset; 2-D rows of flattened "
    "images"
)

_WEB = ("http:", "https:", "ftp:")
_PIL_LOCKS = [threading.Lock() for _ in range(64)]


class ImageContent:
    """One image before it is decoded.

    Parameters
    ----------
    obj : bytes, PIL image, array or tensor
        What will be decoded; bytes are those of an encoded file.
    """

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    @property
    def n_bytes(self) -> int:
        """Memory that it holds."""
        if isinstance(self.obj, bytes):
            return len(self.obj)
        if isinstance(self.obj, Image.Image):
            return self.obj.width * self.obj.height * len(self.obj.getbands())
        return self.obj.nbytes

    def digest(self) -> bytes:
        """Return 20 bytes that stand for the content: of the file as it is on
        disk, or of the decoded pixels where there is no file."""
        if isinstance(self.obj, bytes):
            return hashlib.blake2b(self.obj, digest_size=20, person=b"file").digest()
        image = self.image()
        height, width = image.size
        size = f"{width}x{height}:".encode()
        state = hashlib.blake2b(size, digest_size=20, person=b"pixels")
        state.update(image.pil().tobytes())
        return state.digest()

    def image(self) -> RGBImage:
        """Decode to an 8-bit RGB image."""
        if isinstance(self.obj, bytes):
            return from_bytes(self.obj)
        if isinstance(self.obj, Image.Image):
            # The same object may be in several rows, and loading is not thread-safe.
            with _PIL_LOCKS[id(self.obj) // 64 % len(_PIL_LOCKS)]:
                return from_pil(self.obj)
        if is_tensor(self.obj):
            return from_tensor(self.obj)
        return from_array(self.obj)


class ImageSource:
    """A sequence of images: an :class:`~skknn.modalities.ItemSource`.

    Parameters
    ----------
    items : sequence
        Anything with ``len`` and integer indexing.
    is_dataset : bool
        Whether ``items`` is a torch Dataset: it must not be indexed from two threads
        at once, and an item may be a tuple that begins with the image.
    """

    unit = "image"

    def __init__(self, items: Any, *, is_dataset: bool = False) -> None:
        self._items = items
        self._lock = threading.Lock() if is_dataset else None
        # Of every row, its number in what the user gave.
        self._numbers: Sequence[int] = range(len(items))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": self._lock is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock() if state["_lock"] else None

    def part(self, low: int, high: int) -> "ImageSource":
        """Return consecutive images; paths that another process can follow."""
        part = self._with(self._numbers[low:high], slice(low, high))
        if isinstance(part._items, (list, tuple)):
            part._items = [_absolute(item) for item in part._items]
        return part

    def rows(self, chosen: Iterable[int]) -> "ImageSource":
        """Return some images. Errors go on naming their rows in the whole."""
        chosen = [int(row) for row in chosen]
        return self._with([self._numbers[row] for row in chosen], chosen)

    def fetch(self, row: int) -> ImageContent:
        """Read, but do not decode, one image.

        Raises
        ------
        BadImageError
            If the row is no image or its file cannot be read.
        """
        try:
            if self._lock:
                with self._lock:
                    item = self._items[row]
                if isinstance(item, (tuple, list)) and len(item):
                    item = item[0]
            else:
                item = self._items[row]
            return ImageContent(_read(item))
        except Exception as error:
            raise self.bad(row, error) from error

    def item(self, row: int, content: ImageContent | None = None) -> RGBImage:
        """Decode one image to 8-bit RGB.

        Raises
        ------
        BadImageError
            If the row is no image or cannot be decoded.
        """
        content = self.fetch(row) if content is None else content
        try:
            return content.image()
        except Exception as error:
            raise self.bad(row, error) from error

    def bad(self, row: int, error: BaseException) -> BadImageError:
        """Return the error that says what is wrong with a row."""
        if isinstance(error, BadImageError):
            return error
        text = str(error).strip() or type(error).__name__
        reason = f"{self._describe(row)} cannot be used as an image: {text}"
        return BadImageError(
            f"X: {reason}. Mend or remove it, or pass on_error='nan' to get a row of "
            "NaN in its place.",
            row=self._numbers[row],
            reason=reason,
        )

    def _describe(self, row: int) -> str:
        item = None if self._lock else self._items[row]
        if isinstance(item, (str, os.PathLike)):
            return f"row {self._numbers[row]} ({os.fspath(item)!r})"
        return f"row {self._numbers[row]}"

    def _with(self, numbers: Sequence[int], chosen: slice | list[int]) -> "ImageSource":
        taken = copy.copy(self)
        taken._numbers = numbers
        if self._lock:
            every = range(len(self))
            rows = every[chosen] if isinstance(chosen, slice) else chosen
            taken._items = _Subset(self._items, rows)
        elif isinstance(self._items, (list, tuple)) and not isinstance(chosen, slice):
            taken._items = [self._items[row] for row in chosen]
        else:
            taken._items = self._items[chosen]
        return taken


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
        images = ImageSource(X)
    elif isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise TypeError(
            f"X is a {type(X).__name__}, which holds no images. {_ACCEPTED}"
        )
    elif isinstance(X, np.ndarray) or hasattr(X, "__array__"):
        images = ImageSource(_checked_array(np.asarray(X)))
    else:
        images = ImageSource(list(X))
    if len(images) == 0:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required"
        )
    return images


class _Subset:
    """Some items of a Dataset."""

    def __init__(self, items: Any, chosen: Sequence[int]) -> None:
        self._items, self._chosen = items, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, row: int) -> Any:
        return self._items[self._chosen[row]]


def _checked_array(array: NDArray) -> NDArray | list[Any]:
    """Return pixels (n, height, width[, channels]), or the items of a column."""
    if array.dtype.kind in "OUS":
        if array.ndim != 1:
            raise ValueError(
                f"X is an array of {array.dtype} with shape {array.shape}. Paths and "
                "images come as one column: use X.ravel()"
            )
        return list(array)
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
    return tensor


def _absolute(item: Any) -> Any:
    """A path that another process can follow; anything else as it is."""
    if not isinstance(item, (str, os.PathLike)) or str(item).startswith(_WEB):
        return item
    return os.path.abspath(item)


def _read(item: Any) -> Any:
    if isinstance(item, (str, os.PathLike)):
        return _read_file(item)
    if isinstance(item, (bytes, Image.Image, np.ndarray)) or is_tensor(item):
        return item
    if isinstance(item, (list, tuple)):
        return np.asarray(item)
    raise TypeError(
        f"a {type(item).__name__} ({item!r:.60}) is no path, PIL image, array or tensor"
    )


def _read_file(path: str | os.PathLike) -> bytes:
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
        if str(path).startswith(_WEB):
            raise ValueError("it is a web address: download it first") from None
        raise ValueError(f"no such file (looked from {os.getcwd()!r})") from None
    except PermissionError:
        raise ValueError("permission to read the file was denied") from None
