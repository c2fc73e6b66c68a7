"""One image in any form -> one 8-bit RGB image.

Every way in ends in the same 8-bit RGB pixels, so the same picture gives the
same features however it was handed over.
"""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ._encoded import check_size, open_encoded
from ._item_source import BadItemError
from ._jpeg import decode_plain_jpeg
from ._orientation import upright
from ._rgb_image import RGBImage

if TYPE_CHECKING:
    import torch

_ALPHA_MODES = ("RGBA", "RGBa", "LA", "La", "PA")


class BadImageError(BadItemError):
    """An image that cannot be read; the message names its row, file and remedy.

    Raised by ``fit`` and ``transform`` of both image transformers, unless they have
    ``on_error="nan"``. It is a ``ValueError`` and an ``OSError``.

    Parameters
    ----------
    message : str
    row : int, optional
        Position in ``X``.
    file : str, optional
        The file, where the row is a path.
    problem : str, default=""
        What is wrong, alone.
    reason : str, default=""
        Row, file and what is wrong, without the remedy.
    remedy : str, default=""
        What to do about it.
    argument : str, default="X"
        Name of the argument that the row is in.

    Attributes
    ----------
    row : int or None
        As given.
    file : str or None
        As given.
    problem : str
        As given.
    reason : str
        As given.
    remedy : str
        As given.
    argument : str
        As given.

    Examples
    --------
    >>> from skknn import BackboneEmbedder
    >>> from skknn.modalities import BadImageError
    >>> embedder = BackboneEmbedder("test_resnet", weights=None, random_state=0)
    >>> try:
    ...     embedder.fit_transform(["photo.jpg"])
    ... except BadImageError as error:
    ...     print(error.row)
    0
    """


def from_bytes(data: bytes) -> RGBImage:
    """Decode the first frame of an encoded image file."""
    image = open_encoded(data)
    decoded = decode_plain_jpeg(image, data)
    if decoded is not None:
        return RGBImage(decoded)
    image.load()
    # Nobody else has this object: what is right already is not copied.
    return RGBImage(to_rgb(upright(image)))


def from_pil(image: Image.Image) -> RGBImage:
    """Turn a PIL image of any mode upright, composite it on white, make it RGB.

    The image itself stays as it is.
    """
    check_size(image)
    first = first_frame(image)
    first.load()
    rgb = to_rgb(upright(first))
    return RGBImage(rgb, borrowed=rgb is image)


def first_frame(image: Image.Image) -> Image.Image:
    """Return the first frame of an animation, which stays where it stands."""
    place = image.tell()
    if place == 0:
        return image
    try:
        image.seek(0)
        try:
            return image.copy()
        finally:
            image.seek(place)
    except (AttributeError, EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"it stands at frame {place} and its first one cannot be read ({error}). "
            "Pass image.copy() to use the frame where it stands"
        ) from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an RGB image; the one that was given where it is RGB already."""
    mode = image.mode
    if mode.startswith("I;16"):
        return _from_grey_16(image, np.asarray(image))
    if mode == "I":  # also 16-bit PNG files, by old releases of Pillow
        return _from_grey_16(image, _narrow(np.asarray(image)))
    if mode == "F":
        try:
            return from_array(np.asarray(image)).pil()
        except ValueError as error:
            raise ValueError(
                f"it is an image of 32-bit floats: {error}, and pass arrays in its "
                "place"
            ) from None
    if mode in _ALPHA_MODES or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if mode == "RGB" else image.convert("RGB")


def _from_grey_16(image: Image.Image, levels: NDArray[np.uint16]) -> Image.Image:
    rgb = from_array(levels).pil()
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        rgb.paste((255, 255, 255), mask=Image.fromarray(levels == transparent))
    return rgb


def from_array(array: ArrayLike) -> RGBImage:
    """Turn an (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array into RGB."""
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError(
            "it is a masked array, and its mask would be lost. Pass array.filled(value)"
        )
    array = np.asarray(array)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"an array of shape {array.shape} is no image. Use (height, width) for "
            "grey or (height, width, 1, 3 or 4)"
        )
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        hint = ""
        if array.shape[0] in (1, 3, 4):
            hint = ". The channels come first here: use array.transpose(1, 2, 0)"
        raise ValueError(
            f"an array of shape {array.shape} has {array.shape[2]} channels, allowed "
            f"are 1 (grey), 3 (RGB) and 4 (RGBA) in the last axis{hint}"
        )
    if array.size == 0:
        raise ValueError(f"an array of shape {array.shape} has no pixels")
    pixels = _to_uint8(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return from_pil(Image.fromarray(pixels))
    if pixels.ndim == 3:
        return RGBImage(pixels)
    return RGBImage(Image.fromarray(pixels).convert("RGB"))


def from_tensor(tensor: "torch.Tensor") -> RGBImage:
    """Turn a (C, H, W) or (H, W) torch tensor into RGB."""
    tensor = tensor.detach().cpu()
    if tensor.dtype.is_floating_point:
        tensor = tensor.float()
    array = tensor.numpy()
    if array.ndim == 3:
        if array.shape[0] not in (1, 3, 4):
            hint = ""
            if array.shape[2] in (1, 3, 4):
                hint = ". The channels come last here: use tensor.permute(2, 0, 1)"
            raise ValueError(
                f"a tensor of shape {array.shape} has {array.shape[0]} channels, "
                f"allowed are 1 (grey), 3 (RGB) and 4 (RGBA) in the first axis{hint}"
            )
        array = array.transpose(1, 2, 0)
    return from_array(array)


def is_tensor(obj: Any) -> TypeGuard["torch.Tensor"]:
    """Tell whether ``obj`` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.Tensor)


def _to_uint8(array: NDArray) -> NDArray[np.uint8]:
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if kind == "u" and array.dtype.itemsize == 2:  # in either order of bytes
        # The upper 8 bits, as Pillow reads 16-bit colour files.
        return (array >> 8).astype(np.uint8)
    if kind in "ui":
        low, high = array.min(), array.max()
        if low < 0 or high > 255:
            raise ValueError(
                f"whole-number pixels range from {low} to {high}, allowed are 0 to "
                "255 (or dtype uint16 for 16-bit images)"
            )
        return array.astype(np.uint8)
    if kind == "f":
        low, high = float(array.min()), float(array.max())
        # Written so that NaN fails too.
        if not (low >= 0.0 and high <= 1.0):
            raise ValueError(
                f"float pixels range from {low:g} to {high:g}, allowed are 0 to 1. "
                "Divide by the largest possible value, or convert to uint8"
            )
        return np.rint(array.astype(np.float64) * 255.0).astype(np.uint8)
    raise ValueError(
        f"pixels of dtype {array.dtype} are not supported: use uint8, or floats in "
        "[0, 1]"
    )


def _narrow(array: NDArray[np.int32]) -> NDArray[np.uint16]:
    """32-bit grey levels that are really 16-bit ones (how some PNG, TIFF open)."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        raise ValueError(
            f"32-bit grey levels range from {low} to {high}, allowed are 0 to 65535"
        )
    return array.astype(np.uint16)
