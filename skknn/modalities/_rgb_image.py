"""A decoded image, as Pillow's object or as bare pixels, whichever is asked for."""

import ctypes

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class RGBImage:
    """An 8-bit RGB image.

    Threads that hand whole images to an accelerator want pixels, others Pillow's
    object; packing one into the other costs as much as decoding a small file, and
    Pillow keeps the interpreter from other threads meanwhile (``benchmarks/
    embedding.py decode``).

    Parameters
    ----------
    source : PIL.Image.Image or uint8 array of shape (height, width, 3)
        The image has the mode RGB and is loaded.
    borrowed : bool
        Whether the image is somebody else's, so that :meth:`pil` has to copy it.

    Attributes
    ----------
    size : (height, width)
    """

    __slots__ = ("__weakref__", "_borrowed", "_source", "size")

    def __init__(
        self, source: Image.Image | NDArray[np.uint8], borrowed: bool = False
    ) -> None:
        self._source, self._borrowed = source, borrowed
        self.size: tuple[int, int]
        if isinstance(source, Image.Image):
            self.size = source.height, source.width
        else:
            self.size = source.shape[0], source.shape[1]

    def pil(self) -> Image.Image:
        """Return the image as Pillow's object, which the caller may change."""
        if not isinstance(self._source, Image.Image):
            return Image.fromarray(self._source)
        return self._source.copy() if self._borrowed else self._source

    def pixels(self) -> NDArray[np.uint8]:
        """Return the pixels, not to be changed.

        Returns
        -------
        uint8 array of shape (height, width, 3) or (height, width, 4)
            Of four channels the last one has no meaning.
        """
        if not isinstance(self._source, Image.Image):
            return self._source
        if hasattr(self._source, "__arrow_c_array__"):
            try:
                return np.asarray(_ArrowPixels(self._source))
            except ValueError:  # large images are kept in several pieces
                pass
        packed = self._source.tobytes("raw", "RGBX")
        return np.frombuffer(packed, np.uint8).reshape(*self.size, 4)


class _ArrowArray(ctypes.Structure):
    """``struct ArrowArray`` of the Arrow C data interface."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("length", "null_count", "offset")),
        *((name, ctypes.c_int64) for name in ("n_buffers", "n_children")),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.POINTER(ctypes.c_void_p)),
        *((name, ctypes.c_void_p) for name in ("dictionary", "release", "private")),
    ]


class _ArrowPixels:
    """Pillow's own memory of an RGB image, four bytes a pixel, as numpy takes it.

    Pillow exports it (from 11.2 on) as an array of lists of four bytes; the capsule
    keeps it alive.
    """

    def __init__(self, image: Image.Image) -> None:
        _, self._capsule = image.__arrow_c_array__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype = ctypes.c_void_p
        pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        pixels = _ArrowArray.from_address(pointer(self._capsule, b"arrow_array"))
        levels = _ArrowArray.from_address(pixels.children[0])
        self.__array_interface__ = {
            "data": (levels.buffers[1], False),
            "shape": (image.height, image.width, 4),
            "typestr": "|u1",
            "version": 3,
        }
