"""Plain JPEG files by torchvision's decoder: Pillow's pixels, threads side by side.

Both hand the work to libjpeg and take about as long on one core; torchvision's leaves
the interpreter to the other threads meanwhile (``benchmarks/embedding.py decode``, and
with many cores ``--device cuda``). Two builds of libjpeg may disagree in single grey
levels, and then the same picture would give other features as a file than as an opened
image: so the two are compared once in every process, and Pillow stays in charge unless
they agree. Of progressive files that lack a part they make up the rest in ways of their
own, release by release: those files have a comparison of their own.
"""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._orientation import is_turned

_END_OF_IMAGE = b"\xff\xd9"


def decode_plain_jpeg(image: Image.Image, data: bytes) -> NDArray[np.uint8] | None:
    """Decode an encoded file if it is a plain 8-bit grey or RGB JPEG.

    Parameters
    ----------
    image : PIL.Image.Image
        ``data`` as Pillow opened, but did not load it.
    data : bytes

    Returns
    -------
    uint8 array of shape (height, width, 3), or None
        None for all that is better left to Pillow: other formats, several pictures in
        one file, CMYK, turned pictures, files that are cut off or damaged.
    """
    if (
        image.format != "JPEG"
        or image.mode not in ("L", "RGB")
        or not data.endswith(_END_OF_IMAGE)
        or is_turned(image)
        or not _agrees_with_pillow("progressive" in image.info)
    ):
        return None
    try:
        return _pixels(data)
    except RuntimeError:
        return None  # Pillow will say what is wrong, or read it all the same


def _pixels(data: bytes) -> NDArray[np.uint8]:
    import torch
    from torchvision.io import ImageReadMode  # loads the operator, too

    # A copy, because a tensor must not share bytes that are constant.
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    # The operator itself: the function around it warns, from torchvision 0.29 on, that
    # it will go one day. When it does, Pillow decodes everything.
    pixels = torch.ops.image.decode_jpeg(encoded, ImageReadMode.RGB.value)
    # In memory the channels come last, so this is no copy.
    return pixels.permute(1, 2, 0).numpy()


@cache
def _agrees_with_pillow(progressive: bool) -> bool:
    """Decode noise both ways, in the ways of subsampling that files have."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (37, 43, 3), dtype=np.uint8))
    for picture in (noise, noise.convert("L")):
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            file = io.BytesIO()
            picture.save(file, "JPEG", subsampling=subsampling, progressive=progressive)
            whole = file.getvalue()
            parts = [whole]
            if progressive:
                cuts = (len(whole) * eighths // 8 for eighths in range(2, 8))
                parts += [whole[:cut] + _END_OF_IMAGE for cut in cuts]
            if not all(map(_are_pillows, parts)):
                return False
    return True


def _are_pillows(data: bytes) -> bool:
    """Tell whether both decoders give the same pixels, or Pillow an error."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(image.convert("RGB"))
    except OSError:  # cut off: also a file that torchvision refuses goes to Pillow
        return True
    try:
        return np.array_equal(_pixels(data), expected)
    except (AttributeError, ImportError, RuntimeError):
        return False  # a torchvision without this decoder
