"""The small transformer that the tests of FungiTransformer share."""

import numpy as np

from skknn import DINOObjective, FungiTransformer, SimCLRObjective

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=2, head_dim=32),
    SimCLRObjective(n_views=9, n_negatives=3, head_dim=16),
)


def tiny(**kwargs):
    settings = {
        "backbone": "test_vit",
        "image_size": 32,
        "weights": None,
        "objectives": OBJECTIVES,
        "n_components": None,
        "random_state": 0,
        "n_jobs": 1,
        "device": "cpu",
    }
    return FungiTransformer(**settings | kwargs)


def close(one, other, tolerance=1e-5):
    """Blocks are unit rows, so absolute differences are relative ones."""
    return np.abs(np.subtract(one, other)).max() < tolerance
