"""Training images: cut at random and mirrored, or as in evaluation."""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from ..gradients._random import generator

if TYPE_CHECKING:
    from ..backbones import Extractor
    from ..modalities import RGBImage

_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10


class TrainingViews:
    """What the network sees of an image in an epoch.

    Parameters
    ----------
    extractor : Extractor
        Knows the size, the interpolation and the evaluation transform.
    augment : bool
        False gives the evaluation transform in every epoch.
    min_crop : float
        Smallest share of an image's area that is cut out.
    seed : int
    """

    def __init__(
        self, extractor: "Extractor", *, augment: bool, min_crop: float, seed: int
    ) -> None:
        self._extractor = extractor
        self._augment, self._min_crop, self._seed = augment, min_crop, seed
        height, width = extractor.data_config["input_size"][1:]
        self._size = [height, width]
        bilinear = extractor.data_config.get("interpolation") == "bilinear"
        modes = InterpolationMode
        self._mode = modes.BILINEAR if bilinear else modes.BICUBIC

    def __call__(self, image: "RGBImage", epoch: int, row: int) -> torch.Tensor:
        """Return the view of a row in an epoch, drawn for these two numbers alone.

        Returns
        -------
        uint8 tensor of shape (3, height, width)
        """
        if not self._augment:
            return self._extractor.prepare(image.pil())
        rng = generator(self._seed, "training view", str(epoch), str(row))
        pixels = torch.from_numpy(np.array(image.pixels()[..., :3])).permute(2, 0, 1)
        top, left, height, width = draw_crop(rng, image.size, self._min_crop)
        view = functional.resized_crop(
            pixels, top, left, height, width, self._size, self._mode, antialias=True
        )
        return functional.horizontal_flip(view) if rng.random() < 0.5 else view


def draw_crop(
    rng: np.random.Generator, size: tuple[int, int], min_crop: float
) -> tuple[int, int, int, int]:
    """Draw a part of an image as torchvision's ``RandomResizedCrop`` does.

    That draws from torch's global generator, which threads would share.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : (height, width)
    min_crop : float
        Smallest share of the area; the largest is 1. The aspect is log-uniform from
        3/4 to 4/3.

    Returns
    -------
    top, left, height, width : int
        Of the largest part with such an aspect, in the middle, if no draw fits.
    """
    full_height, full_width = size
    low, high = (math.log(bound) for bound in _RATIO)
    for _ in range(_ATTEMPTS):
        area = full_height * full_width * rng.uniform(min_crop, 1.0)
        aspect = math.exp(rng.uniform(low, high))
        width = round(math.sqrt(area * aspect))
        height = round(math.sqrt(area / aspect))
        if 0 < width <= full_width and 0 < height <= full_height:
            top = int(rng.integers(full_height - height + 1))
            left = int(rng.integers(full_width - width + 1))
            return top, left, height, width
    height = max(1, min(full_height, round(full_width / _RATIO[0])))
    width = max(1, min(full_width, round(full_height * _RATIO[1])))
    return (full_height - height) // 2, (full_width - width) // 2, height, width
