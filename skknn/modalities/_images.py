"""Images of every form, read and decoded one at a time."""

import copy
import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from ..utils._locks import ForkSafeLock
from ._decode import (
    BadImageError,
    from_array,
    from_bytes,
    from_pil,
    from_tensor,
    is_tensor,
)
from ._files import absolute_path, read_file
from ._rgb_image import RGBImage
from ._rows_of_items import RowsOfItems

_PIL_LOCKS = [ForkSafeLock() for _ in range(64)]
_SOUND_SUFFIXES = {".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}


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
            with _PIL_LOCKS[id(self.obj) // 64 % len(_PIL_LOCKS)].held:
                return from_pil(self.obj)
        if is_tensor(self.obj):
            return from_tensor(self.obj)
        return from_array(self.obj)


class ImageSource(RowsOfItems):
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
    _error = BadImageError
    _remedy = (
        "Repair such images or leave them out: skknn.datasets.check_images(X) lists "
        "them all, X, y, bad = skknn.datasets.drop_unreadable(X, y) removes them with "
        "their labels."
    )
    _instead = " Or pass on_error='nan' to get a row of NaN for each."

    def __init__(self, items: Any, *, is_dataset: bool = False) -> None:
        super().__init__(items)
        self._lock = threading.Lock() if is_dataset else None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_lock": self._lock is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock() if state["_lock"] else None

    def part(self, low: int, high: int) -> Self:
        """Return consecutive images; paths that another process can follow."""
        part = self._with(self._numbers[low:high], slice(low, high))
        if isinstance(part._items, (list, tuple)):
            part._items = [absolute_path(item) for item in part._items]
        return part

    def rows(self, chosen: Iterable[int]) -> Self:
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

    def _file(self, row: int) -> str | None:
        return None if self._lock else super()._file(row)

    def _instead_of(self, file: str | None) -> str:
        return f"{self._instead}{_meant(file)}"

    def _with(self, numbers: Sequence[int], chosen: slice | list[int]) -> Self:
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


def _meant(file: str | None) -> str:
    """What to do about a string, or file, that is rather a text or a sound."""
    if file is None:
        return ""
    suffix = Path(file).suffix.lower()
    if suffix in _SOUND_SUFFIXES:
        return " Sounds are taken by transformers with backbone=AudioBackbone()."
    # A sentence may have a full stop, and what follows it is a suffix to pathlib.
    is_name = suffix and not any(letter.isspace() for letter in suffix)
    if not is_name and not os.path.lexists(file):
        return " Texts are taken by transformers with backbone=TextBackbone()."
    return ""


class _Subset:
    """Some items of a Dataset."""

    def __init__(self, items: Any, chosen: Sequence[int]) -> None:
        self._items, self._chosen = items, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, row: int) -> Any:
        return self._items[self._chosen[row]]


def _read(item: Any) -> Any:
    if isinstance(item, (str, os.PathLike)):
        return read_file(item)
    if isinstance(item, (bytes, Image.Image, np.ndarray)) or is_tensor(item):
        return item
    if isinstance(item, (list, tuple)):
        try:
            return np.asarray(item)
        except ValueError:
            parts = ", ".join(type(part).__name__ for part in item[:4])
            raise ValueError(
                f"a {type(item).__name__} of {parts} is neither an image nor a tuple "
                "that begins with one"
            ) from None
    hint = ""
    if isinstance(item, Mapping):
        keys = ", ".join(map(repr, list(item)[:4]))
        hint = f". Pass the images alone, out of its entries ({keys})"
    raise TypeError(
        f"a {type(item).__name__} ({item!r:.60}) is no path, PIL image, array or "
        f"tensor{hint}"
    )
