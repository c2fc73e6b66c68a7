"""RGB image -> the bytes that a model sees: resize, crop; scaling on the device."""

import math
from functools import cache
from typing import Any

import numpy as np
import timm.data
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from ._integer_resize import PILLOW, Box, resize_boxes

# Above this many pixels between resizing and cropping, only the crop is resized.
_MAX_RESIZED = 2**25
_PIL_FILTER = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
}
# Those that there are as matrix products.
_MODES = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}


class Preprocess:
    """timm's evaluation preprocessing, split where images become tensors.

    Parameters
    ----------
    config : dict
        What ``timm.data.resolve_model_data_config`` gives.

    Attributes
    ----------
    config : dict
    size : tuple (height, width)
        What the model sees.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = dict(config)
        self.size = tuple(config["input_size"][1:])
        steps = timm.data.create_transform(
            **config, is_training=False, use_prefetcher=True
        ).transforms
        # The last step only turns the PIL image into a tensor.
        self._geometry = Compose(steps[:-1])
        self._usual: tuple[Resize, CenterCrop] | None = None
        if [type(step) for step in steps[:-1]] == [Resize, CenterCrop]:
            if isinstance(steps[0].size, int):
                self._usual = steps[0], steps[1]
        self._mean, self._std = (
            torch.tensor(config[name], device="cpu").view(1, 3, 1, 1)
            for name in ("mean", "std")
        )
        self._scaling: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Resize and crop an RGB PIL image.

        Returns
        -------
        uint8 tensor of shape (3, height, width)
            With the channels last in memory.
        """
        if self._usual and _resized_pixels(image, self._usual[0]) > _MAX_RESIZED:
            image = _resize_crop_only(image, *self._usual)
        else:
            image = self._geometry(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def fits_device(self, size: tuple[int, int]) -> bool:
        """Tell whether :meth:`on_device` gives the bytes of a call for a size."""
        if self._usual is None or self._usual[0].interpolation not in _MODES:
            return False
        height, width = size
        (top, left, bottom, right), resized = self._window(size)
        return (
            # Wider crops are padded.
            min(top, left) >= 0
            and bottom <= resized[0]
            and right <= resized[1]
            and resized[0] * resized[1] <= _MAX_RESIZED
            # Taller images Pillow (from 13 on) resizes along the height first.
            and height <= 2 * width
            and _agrees_with_pillow()
        )

    def on_device(self, pixels: torch.Tensor) -> torch.Tensor:
        """Resize and crop images of one size on their device, to the same bytes.

        Parameters
        ----------
        pixels : uint8 tensor of shape (n, 3, H, W)
            Of a size for which :meth:`fits_device` is true.

        Returns
        -------
        uint8 tensor of shape (n, 3, height, width)
        """
        assert self._usual is not None
        height, width = pixels.shape[2:]
        (top, left, bottom, right), resized = self._window((height, width))
        mode = _MODES[self._usual[0].interpolation]
        whole, window = ((0, 0, width, height),), (left, top, right, bottom)
        return resize_boxes(pixels, whole, resized, mode, PILLOW, window)[:, 0]

    def _window(self, size: tuple[int, int]) -> tuple[Box, tuple[int, int]]:
        """The crop (top, left, bottom, right), and the size out of which it is cut."""
        assert self._usual is not None
        shrink, crop = self._usual
        short, long = sorted(size)
        longer = int(shrink.size * long / short)
        height, width = (
            (shrink.size, longer) if size[0] <= size[1] else (longer, shrink.size)
        )
        top = int(round((height - crop.size[0]) / 2.0))
        left = int(round((width - crop.size[1]) / 2.0))
        box = top, left, top + crop.size[0], left + crop.size[1]
        return box, (height, width)

    def normalize(
        self, pixels: torch.Tensor, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Scale a uint8 tensor (n, 3, height, width), on its device."""
        device = pixels.device
        if device.type == "cpu":
            x = pixels.float().div_(255.0).sub_(self._mean).div_(self._std)
            return x.to(dtype)
        if device not in self._scaling:
            # Copied once: every copy from the host waits for the device.
            self._scaling[device] = (
                (255.0 * self._mean).to(device),
                (1.0 / (255.0 * self._std)).to(device),
            )
        shift, scale = self._scaling[device]
        # Half the memory traffic of the above, the same but for rounding.
        return torch.sub(pixels, shift).mul_(scale).to(dtype)

    def blank(self) -> torch.Tensor:
        """Return a prepared black image."""
        return torch.zeros(3, *self.size, dtype=torch.uint8, device="cpu")


def noise(size: tuple[int, int]) -> torch.Tensor:
    """Return a prepared picture of noise, the same at every call: uint8 (3, H, W)."""
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.randint(
        0, 256, (3, *size), dtype=torch.uint8, generator=generator, device="cpu"
    )


@cache
def _agrees_with_pillow() -> bool:
    """Resize noise both ways: another Pillow may round elsewhere."""
    rng = np.random.default_rng(0)
    for height, width in ((37, 53), (94, 47), (40, 40)):
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        pixels = torch.from_numpy(noise).permute(2, 0, 1)[None]
        for mode, name in _MODES.items():
            for factor in (0.4, 0.9, 1.7):
                size = int(factor * height), int(factor * width)
                whole = ((0, 0, width, height),)
                found = resize_boxes(pixels, whole, size, name, PILLOW)[0, 0]
                image = Image.fromarray(noise).resize(size[::-1], _PIL_FILTER[mode])
                if not (found.permute(1, 2, 0).numpy() == np.asarray(image)).all():
                    return False
    return True


def data_config(
    module: torch.nn.Module, image_size: int | tuple[int, int] | None = None
) -> dict[str, Any]:
    """Return timm's description of a module's preprocessing.

    Modules without timm's ``pretrained_cfg`` get ImageNet's: 224 pixels, bicubic,
    the usual mean and standard deviation.

    Raises
    ------
    ValueError
        If the module does not take three channels.
    """
    config = dict(timm.data.resolve_model_data_config(module))
    if image_size is not None:
        config["input_size"] = (3, *size_pair(image_size))
    if config["input_size"][0] != 3:
        raise ValueError(
            f"The backbone takes {config['input_size'][0]} channels; only models of "
            "RGB images can be used."
        )
    return config


def size_pair(size: Any) -> tuple[int, int]:
    """Return (height, width) of an image size given as one or two integers."""
    pair = (size, size) if not hasattr(size, "__len__") else tuple(size)
    if len(pair) != 2 or not all(
        isinstance(s, int | np.integer) and s > 0 for s in pair
    ):
        raise ValueError(
            f"image_size={size!r} must be a positive integer or (height, width)."
        )
    return int(pair[0]), int(pair[1])


def _resized_pixels(image: Image.Image, shrink: Resize) -> int:
    short, long = sorted(image.size)
    return shrink.size * math.ceil(shrink.size * long / short)


def _resize_crop_only(
    image: Image.Image, shrink: Resize, crop: CenterCrop
) -> Image.Image:
    # A strip of 20,000 x 10 pixels would become 512,000 x 256 first.
    short = min(image.size)
    width, height = (
        shrink.size * length // short if length != short else shrink.size
        for length in image.size
    )
    crop_h, crop_w = crop.size
    left = round((width - crop_w) / 2.0) * image.width / width
    top = round((height - crop_h) / 2.0) * image.height / height
    box = (
        left,
        top,
        left + crop_w * image.width / width,
        top + crop_h * image.height / height,
    )
    return image.resize((crop_w, crop_h), _PIL_FILTER[shrink.interpolation], box=box)
