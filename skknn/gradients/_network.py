"""The frozen backbone as it is differentiated."""

import torch


class Network:
    """A backbone, or a quicker copy of it, with one layer left as it was.

    Parameters
    ----------
    extractor : skknn.backbones.Extractor
    layer : str
        Name of the layer whose gradient is taken.

    Attributes
    ----------
    module : torch.nn.Module
    layer : torch.nn.Module
        Of ``module``.
    """

    def __init__(self, extractor, layer):
        self.extractor = extractor
        self.module, self.dtype = extractor.copy_for(layer)
        self.layer = self.module.get_submodule(layer)

    def normalize(self, pixels):
        """Return uint8 views (n, 3, h, w) as the module takes them."""
        return self.extractor.normalize(pixels).to(self.dtype)

    def features(self, x):
        """Return embeddings (n, E), float32; the caller chooses the grad mode."""
        with self.autocast():
            return self.extractor.pooled(self.module, x).float()

    def autocast(self):
        """Return the context in which the module has the wanted precision."""
        if self.module is self.extractor.module:
            return self.extractor.autocast()
        return torch.autocast(self.extractor.device.type, enabled=False)
