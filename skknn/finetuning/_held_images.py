"""Decoded images that are kept between epochs, as many as may be."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..modalities import BadItemError, Content, ItemSource, RGBImage


class HeldImages:
    """An :class:`~skknn.modalities.ItemSource` that decodes what fits only once.

    Parameters
    ----------
    source : ItemSource
        Of images.
    n_bytes : int
        What the decoded images may hold, three bytes a pixel. Those that come when it
        is used up are decoded again whenever they are asked for.
    """

    def __init__(self, source: ItemSource, n_bytes: int) -> None:
        self._source = source
        self._store = _Store(n_bytes)
        self._numbers: Sequence[int] = range(len(source))

    @property
    def unit(self) -> str:
        """What one item is called."""
        return self._source.unit

    def __len__(self) -> int:
        return len(self._numbers)

    def fetch(self, row: int) -> Content:
        """Read, but do not decode, one image."""
        return self._source.fetch(self._numbers[row])

    def item(self, row: int, content: Any = None) -> RGBImage:
        """Return one decoded image."""
        number = self._numbers[row]
        held = self._store.get(number)
        if held is None:
            held = self._store.keep(number, self._source.item(number, content))
        return held

    def part(self, low: int, high: int) -> ItemSource:
        """Return consecutive images as another process can read them; none is held."""
        return self._source.rows(self._numbers[low:high]).part(0, high - low)

    def rows(self, chosen: Iterable[int]) -> "HeldImages":
        """Return some images, which are held together with all others."""
        taken = HeldImages(self._source, 0)
        taken._store = self._store
        taken._numbers = [self._numbers[row] for row in chosen]
        return taken

    def bad(self, row: int, error: BaseException) -> BadItemError:
        """Return the error that says what is wrong with a row."""
        return self._source.bad(self._numbers[row], error)


class _Store:
    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes
        self._images: dict[int, RGBImage] = {}
        self._lock = threading.Lock()

    def get(self, number: int) -> RGBImage | None:
        return self._images.get(number)

    def keep(self, number: int, image: RGBImage) -> RGBImage:
        height, width = image.size
        size = 3 * height * width
        with self._lock:
            if number in self._images or size > self._left:
                return image
            self._left -= size
        # Pixels of its own: nobody can change those of others, and Pillow's objects
        # take four bytes a pixel.
        held = RGBImage(np.array(image.pixels()[..., :3]))
        with self._lock:
            self._images[number] = held
        return held
