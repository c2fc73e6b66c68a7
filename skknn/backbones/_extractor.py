"""A frozen module with all it needs to turn images into rows of features."""

from collections.abc import Collection, Hashable
from typing import Any

import numpy as np
import PIL
import timm
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image, ImageFile
from torch import nn

from ..modalities import RGBImage
from ..utils._out_of_memory import is_out_of_memory
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._dense_features import DenseFeatures
from ._device_images import may_travel
from ._digest import module_digest
from ._features import PooledFeatures
from ._frozen_extractor import FrozenExtractor
from ._fused_copy import fused_copy
from ._layers import resolve_layer
from ._module_stamp import is_watched
from ._network import Network
from ._pooling import has_class_token
from ._preprocess import Preprocess, noise
from ._probe import mixed_picture, pictures, sketch

# Raised whenever the same image and settings would give other numbers.
_FEATURES_VERSION = 1


class Extractor(FrozenExtractor):
    """A frozen backbone of images: preprocessing, forward pass, one row an image.

    Parameters
    ----------
    module : torch.nn.Module
        Frozen, in evaluation mode; changed only in its device and memory layout.
    config : dict
        timm's description of the preprocessing.
    from_timm : bool
        Whether the architecture is one of timm's.
    pooling, layer, device, precision : str, int, torch.device or None
        As in :class:`skknn.BackboneEmbedder`.

    Attributes
    ----------
    module : torch.nn.Module
    device : torch.device
    precision : {"float32", "bf16"}
    data_config : dict
    layer : str or None
        Full name of the layer whose output is pooled.
    pooling : str
    """

    modality = "image"

    def __init__(
        self,
        module: nn.Module,
        config: dict[str, Any],
        *,
        from_timm: bool,
        pooling: str,
        layer: str | int | None,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        super().__init__(module, device=device, precision=precision)
        self.pooling = pooling
        self.layer = None if layer is None else resolve_layer(module, layer)
        self._from_timm = from_timm
        if pooling == "token" and not has_class_token(module):
            raise ValueError(
                "pooling='token' needs a class token, which this backbone has not. "
                "Use 'auto', 'avg', 'max', 'gem', 'rmac' or 'flatten'."
            )
        if from_timm:
            self.module = self.module.to(memory_format=torch.channels_last)
        self.data_config = dict(config)
        self._preprocess = Preprocess(config)
        self._pooled: PooledFeatures | DenseFeatures
        self._pooled = PooledFeatures(pooling, self.layer)
        self._fused: Network | None = None
        self._fused_stamp: Hashable = None

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Resize and crop one RGB image to the (3, H, W) bytes the model sees."""
        return self._preprocess(image)

    def prepares_on_device(self, size: tuple[int, int]) -> bool:
        """Tell whether :meth:`prepare_on_device` takes images (height, width)."""
        return may_travel(size) and self._preprocess.fits_device(size)

    def prepare_on_device(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn whole images (n, 3, H', W') into the bytes of :meth:`prepare`."""
        return self._preprocess.on_device(pixels)

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return uint8 (n, 3, H, W) as float32 on the device, scaled for the model."""
        return self._preprocess.normalize(pixels.to(self.device))

    def network(self, keep: Collection[str] = ()) -> Network:
        """Return the backbone in the form in which it is soonest done.

        A copy with fused layers, in bfloat16 where that is the precision; the module
        itself where it is none of timm's, or someone watches it by hooks or
        methods of their own. Made anew when the module was changed since.

        Parameters
        ----------
        keep : collection of str
            Layers that must be in it as they are in :attr:`module`.
        """
        if not self._from_timm or self.device.type == "mps" or is_watched(self.module):
            return self.plain_network()
        if keep:
            return self._fused_network(keep)
        stamp = self.stamp()
        if self._fused is None or stamp != self._fused_stamp:
            self._fused, self._fused_stamp = self._fused_network(()), stamp
        return self._fused

    def plain_network(self) -> Network:
        """Return the module itself as a network, through which gradients flow."""
        return self._as_network(self.module, torch.float32, self.precision == "bf16")

    def questions(self, n: int) -> list[RGBImage]:
        """Return the first ``n`` fixed pictures that networks are asked about."""
        size = tuple(self.data_config["input_size"][1:])
        return [RGBImage(picture) for picture in pictures(size, n)]

    def identity(self) -> dict[str, Any]:
        """Return what a row depends on besides the image, as plain JSON.

        What cannot be written down shows in what it answers to :meth:`questions`.
        """
        return {
            "features": f"skknn embedding {_FEATURES_VERSION}",
            "module": module_digest(self.module),
            "preprocessing": {
                key: str(value) for key, value in sorted(self.data_config.items())
            },
            "pooling": self.pooling,
            "layer": self.layer,
            "precision": self.precision,
            "device": self.device.type,
            "versions": {
                "pillow": PIL.__version__,
                "timm": timm.__version__,
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
            },
            "switches": {
                "truncated images": bool(ImageFile.LOAD_TRUNCATED_IMAGES),
                "oneDNN": bool(torch.backends.mkldnn.enabled),
            },
        }

    def _ask(self) -> NDArray[np.float32]:
        """Return what the module makes of a picture."""
        network = self.plain_network()
        with exact_float32(), single_threaded_torch(self.device.type == "cpu"):
            picture = mixed_picture(self._preprocess.size)
            rows = self._try(network, self._preprocess(picture)[None])
        self.check_rows(rows, 1)
        return sketch(rows.cpu().numpy()[0])

    def _fused_network(self, keep: Collection[str]) -> Network:
        plain = self.plain_network()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        with exact_float32(), single_threaded_torch(self.device.type == "cpu"):
            picture = noise(self._preprocess.size)[None]
            self._try(plain, picture)
            x = plain.normalize(picture)
            module = fused_copy(self.module, self._pooled, x, dtype, keep)
        return plain if module is self.module else self._as_network(module, dtype)

    def _as_network(
        self, module: nn.Module, dtype: torch.dtype, autocast: bool = False
    ) -> Network:
        return Network(
            module,
            dtype,
            autocast=autocast,
            device=self.device,
            preprocess=self._preprocess,
            pooled=self._pooled,
            channels_last=self._from_timm,
        )

    def _try(self, network: Network, pixels: torch.Tensor) -> torch.Tensor:
        """Run an image of the usual size; say what to do if that cannot be."""
        x = network.normalize(pixels)
        try:
            with torch.inference_mode():
                return network.features(x)
        except (RuntimeError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(
                f"The backbone cannot process images of size {tuple(x.shape[-2:])} "
                f"({error}). Pass another image_size, layer or pooling."
            ) from error
