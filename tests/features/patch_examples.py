"""Pictures and embedders that the tests of gradients of positions share."""

import numpy as np
from PIL import Image

from skknn import DenseEmbedder, PatchSimCLRObjective

ALL_KEPT = PatchSimCLRObjective(keep=1.0, n_support=40, head_dim=16)
PUBLISHED = PatchSimCLRObjective(
    n_negatives=3,
    keep=1.0,
    n_support=40,
    head_dim=16,
    negatives="interleaved",
    denominator_temperature=False,
)


def noise_pictures():
    """Four smooth pictures of 96 x 64 pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 8, 12, 3), "uint8")
    return [
        Image.fromarray(image).resize((96, 64), Image.Resampling.BICUBIC)
        for image in small
    ]


def embedder_for(name, gradients=ALL_KEPT, **params):
    settings = {"image_size": 64, "random_state": 0, "device": "cpu"} | params
    if isinstance(name, str):
        settings |= {"weights": None}
    return DenseEmbedder(name, gradients=gradients, **settings)
