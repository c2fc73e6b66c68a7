"""On a card: what is asked twice, alone and among others, is within rounding."""

import warnings

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder, FungiTransformer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_rows_are_found_again(name, precision, tmp_path):
    settings = {
        "weights": None,
        "random_state": 0,
        "device": "cuda",
        "precision": precision,
        "memory": tmp_path,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder = BackboneEmbedder(name, **settings)
        rows = embedder.fit_transform(IMAGES)
        np.testing.assert_array_equal(embedder.fit_transform(IMAGES[::-1]), rows[::-1])
        fungi = FungiTransformer(
            name, objectives=("kl", "dino"), n_components=None, **settings
        )
        blocks = fungi.fit_transform(IMAGES)
        np.testing.assert_array_equal(fungi.fit_transform(IMAGES[::-1]), blocks[::-1])
