"""Tiny networks and images for the tests of fine-tuning."""

import numpy as np
from torch import nn

from skknn import FineTunedJointClassifier


class TinyNetwork(nn.Module):
    """Two convolutions and a normalisation: a few hundred weights."""

    def __init__(self, width=8, batch_norm=False):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, stride=2)
        self.norm = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
        self.second = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x):
        return self.second(self.norm(self.first(x)).relu()).relu().mean((2, 3))


def labelled_images(n=30, size=16, seed=0):
    """Noisy images with a bright left, middle or right third, and their labels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (n, size, size, 3), dtype=np.uint8)
    codes = np.arange(n) % 3
    for image, code in zip(images, codes):
        third = size // 3
        image[:, code * third : (code + 1) * third, code] += 90
    return images, np.array(["left", "middle", "right"])[codes]


def tiny(**params):
    """A classifier that trains in a moment."""
    settings = {
        "backbone": TinyNetwork,
        "weights": None,
        "image_size": 16,
        "n_neighbors": 3,
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 1.0,
        "random_state": 0,
        "device": "cpu",
    }
    return FineTunedJointClassifier(**settings | params)
