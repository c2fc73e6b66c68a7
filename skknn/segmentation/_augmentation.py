"""Training images seen a little differently, with their masks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Each kind of colour change, with what chance and how far.
_CHANCE, _STRENGTH = 0.5, 0.1
# Share of the image's area that a crop takes, and its width over its height.
_AREA, _ASPECT = (0.5, 1.0), (3 / 4, 4 / 3)
_ATTEMPTS = 10


def augmented(
    image: Any, mask: NDArray, rng: np.random.Generator
) -> tuple[Any, NDArray]:
    """Change colours, then cut a part out and enlarge it to the image's size.

    Brightness, contrast, saturation and hue change by up to a tenth, each with chance
    one half; a crop takes half to all of the area. Images are interpolated
    bilinearly, masks take their nearest pixels.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.
    mask : ndarray of shape (H, W)
    rng : numpy.random.Generator

    Returns
    -------
    image, mask
        Of the sizes they had.
    """
    from PIL import Image

    image = _recoloured(image, rng)
    top, left, bottom, right = _crop(image.height, image.width, rng)
    box = (
        left * image.width,
        top * image.height,
        right * image.width,
        bottom * image.height,
    )
    cut = image.resize(image.size, Image.Resampling.BILINEAR, box)
    rows = _nearest(top, bottom, mask.shape[0])
    columns = _nearest(left, right, mask.shape[1])
    return cut, mask[np.ix_(rows, columns)]


def _recoloured(image: Any, rng: np.random.Generator) -> Any:
    from PIL import Image, ImageEnhance

    kinds = ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color
    for kind in kinds:
        if rng.random() < _CHANCE:
            factor = rng.uniform(1 - _STRENGTH, 1 + _STRENGTH)
            image = kind(image).enhance(factor)
    if rng.random() < _CHANCE:
        hue = np.array(image.convert("HSV"))
        hue[..., 0] += np.uint8(round(255 * rng.uniform(-_STRENGTH, _STRENGTH)) % 256)
        image = Image.frombytes("HSV", image.size, hue.tobytes()).convert("RGB")
    return image


def _crop(
    height: int, width: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Top, left, bottom and right as shares of height and width."""
    for _ in range(_ATTEMPTS):
        area = rng.uniform(*_AREA) * height * width
        aspect = np.exp(rng.uniform(*np.log(_ASPECT)))
        h, w = np.sqrt(area / aspect) / height, np.sqrt(area * aspect) / width
        if h <= 1 and w <= 1:
            top, left = rng.uniform(0, 1 - h), rng.uniform(0, 1 - w)
            return top, left, top + h, left + w
    return 0.0, 0.0, 1.0, 1.0


def _nearest(low: float, high: float, n: int) -> NDArray[np.intp]:
    places = (low + (np.arange(n) + 0.5) / n * (high - low)) * n
    return np.minimum(places.astype(np.intp), n - 1)
