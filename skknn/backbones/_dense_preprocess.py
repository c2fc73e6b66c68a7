"""RGB image of any size -> the bytes that a model sees, with the aspect kept."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from ._preprocess import Preprocess, size_pair

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
# Longer strips are squeezed: enlarged to the short side they would fill the memory.
_LONGEST_ASPECT = 8


class DensePreprocess(Preprocess):
    """Resizing without a crop; scaling as the model was trained with.

    Parameters
    ----------
    config : dict
        What ``timm.data.resolve_model_data_config`` gives.
    image_size : int, (height, width) or None
        Short side, both sides, or the image's own size; all rounded to multiples.
    multiple : int
        Pixels that sides are multiples of.

    Attributes
    ----------
    size : (height, width)
        Of a square image, or the one size.
    """

    def __init__(self, config: dict[str, Any], image_size: Any, multiple: int) -> None:
        super().__init__(config)
        self._multiple = multiple
        self._short: int | None = None
        self._fixed: tuple[int, int] | None = None
        if image_size is not None:
            height, width = size_pair(image_size)
            if hasattr(image_size, "__len__"):
                self._fixed = self._rounded(height), self._rounded(width)
            else:
                self._short = height
        # PIL resizes by nobody else's rules than these.
        self._filter = _FILTERS.get(
            str(config.get("interpolation", "bicubic")), Image.Resampling.BICUBIC
        )
        usual = self._short or min(self.size)
        self.size = self._fixed or self.size_for((usual, usual))

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Resize an RGB PIL image.

        Returns
        -------
        uint8 tensor of shape (3, height, width)
            With the channels last in memory.
        """
        height, width = self.size_for((image.height, image.width))
        if (image.height, image.width) != (height, width):
            image = image.resize((width, height), self._filter)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def fits_device(self, size: tuple[int, int]) -> bool:
        """Return False: threads resize."""
        return False

    def size_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) that an image of some size is given."""
        if self._fixed is not None:
            return self._fixed
        short, long = min(size), max(size)
        scale = 1.0 if self._short is None else self._short / short
        long = min(long, _LONGEST_ASPECT * short)
        sides = self._rounded(short * scale), self._rounded(long * scale)
        return sides if size[0] <= size[1] else (sides[1], sides[0])

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self._multiple)) * self._multiple
