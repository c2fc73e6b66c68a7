"""A frozen module with all it needs to turn images into features."""

import hashlib

import numpy as np
import PIL
import timm
import timm.data
import torch

from .._device import resolve_device
from ._load import _pair, load_backbone


class Extractor:
    """A frozen backbone: preprocessing, forward pass, pooled features.

    Attributes
    ----------
    module : torch.nn.Module
        Without classifier, in evaluation mode, without gradients.
    device : torch.device
    data_config : dict
        timm's description of the preprocessing.
    n_features : int
        Width of a row of features.
    """

    def __init__(self, module, *, device=None, image_size=None):
        self.device = resolve_device(device)
        self.module = module.to(self.device)
        config = dict(timm.data.resolve_model_data_config(self.module))
        size = _pair(image_size)
        if size is not None:
            config["input_size"] = (3, *size)
        self.data_config = config
        self._resize = timm.data.create_transform(
            **config, is_training=False, use_prefetcher=True
        )
        mean = torch.tensor(config["mean"]).view(1, 3, 1, 1)
        std = torch.tensor(config["std"]).view(1, 3, 1, 1)
        self._mean, self._std = mean.to(self.device), std.to(self.device)
        self.n_features = self.forward(self._blank()).shape[1]

    def prepare(self, image):
        """Resize and crop one RGB image to the (3, H, W) bytes the model sees."""
        return torch.as_tensor(self._resize(image))

    def forward(self, batch):
        """Return the features of a list of prepared images.

        Parameters
        ----------
        batch : list of uint8 tensors (3, H, W)

        Returns
        -------
        ndarray of shape (len(batch), n_features), float32
        """
        with torch.inference_mode():
            features = self.features(self.normalize(torch.stack(batch)))
            return features.cpu().numpy().astype(np.float32, copy=False)

    def normalize(self, pixels):
        """Return uint8 (n, 3, H, W) as the float32 tensor the module takes."""
        x = pixels.to(self.device).float().div_(255.0)
        x = x.sub_(self._mean).div_(self._std)
        return x.contiguous(memory_format=torch.channels_last)

    def features(self, x):
        """Return pooled features (n, n_features), float32, of normalised pixels.

        The caller chooses whether gradients are recorded.
        """
        features = self.module(x)
        if features.ndim != 2:
            raise ValueError(
                f"The backbone gave features of shape {tuple(features.shape)} for "
                f"a batch of {len(x)}; expected {len(x)} rows."
            )
        return features.float()

    def identity(self):
        """Return all that a row depends on besides the image, as plain JSON."""
        return {
            "module": self._module_digest(),
            "preprocessing": {
                key: str(value) for key, value in sorted(self.data_config.items())
            },
            "device": self.device.type,
            "versions": {
                "timm": timm.__version__,
                "torch": torch.__version__,
                "pillow": PIL.__version__,
            },
        }

    def _module_digest(self):
        state = hashlib.blake2b(repr(self.module).encode(), digest_size=20)
        for name, tensor in self.module.state_dict().items():
            state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            state.update(
                tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            )
        return state.hexdigest()

    def _blank(self):
        return [torch.zeros(self.data_config["input_size"], dtype=torch.uint8)]


def build_extractor(backbone, *, weights, image_size, backbone_params, seed, device):
    """Load a backbone and wrap it; see :func:`load_backbone`."""
    module = load_backbone(
        backbone,
        weights=weights,
        image_size=image_size,
        backbone_params=backbone_params,
        seed=seed,
    )
    return Extractor(module, device=device, image_size=image_size)
