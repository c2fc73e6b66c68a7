"""Maps and gradients of positions on a CUDA device: those of the CPU."""

import numpy as np
import pytest
from patch_examples import ALL_KEPT, PUBLISHED, embedder_for, noise_pictures
from PIL import Image

from skknn import DenseEmbedder, InContextSegmenter

pytestmark = pytest.mark.gpu
# Of three sizes, so that launches have groups.
IMAGES = [*noise_pictures(), Image.effect_noise((64, 64), 90).convert("RGB")]
IMAGES.append(IMAGES[0].resize((64, 96)))


def error(found, expected):
    """Largest difference of two maps, relative to the largest number."""
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_maps_are_those_of_the_cpu(name):
    settings = {"weights": None, "random_state": 0, "image_size": 64}
    exact = DenseEmbedder(name, **settings, device="cpu").fit_transform(IMAGES)
    found = DenseEmbedder(
        name, **settings, device="cuda", precision="float32"
    ).fit_transform(IMAGES)
    rough = DenseEmbedder(name, **settings, device="cuda").fit_transform(IMAGES)
    for a, b, c in zip(found, exact, rough):
        assert error(a, b) < 1e-4 and error(c, b) < 0.1


@pytest.mark.parametrize("objective", [ALL_KEPT, PUBLISHED])
@pytest.mark.parametrize("more", [{}, {"projection_dim": 24}])
def test_gradients_are_those_of_the_cpu(objective, more):
    settings = {"gradients": objective, **more}
    here = embedder_for("vit_tiny_patch16_224", device="cpu", **settings).fit(IMAGES)
    for precision, limit in (("float32", 1e-3), ("bf16", 0.5)):
        there = embedder_for(
            "vit_tiny_patch16_224", device="cuda", precision=precision, **settings
        ).fit(IMAGES)
        for a, b in zip(there.transform(IMAGES), here.transform(IMAGES)):
            assert error(a, b) < limit


def test_masks_are_those_of_the_cpu():
    masks = [np.random.default_rng(0).integers(0, 3, (64, 96)) for _ in range(4)]
    maps = DenseEmbedder(
        "resnet18", weights=None, random_state=0, image_size=64, device="cpu"
    ).fit_transform(IMAGES[:4])
    settings = {"n_neighbors": 5, "algorithm": "torch"}
    here = InContextSegmenter(**settings, device="cpu").fit(maps, masks)
    there = InContextSegmenter(**settings, device="cuda").fit(maps, masks)
    for a, b in zip(there.predict_proba(maps), here.predict_proba(maps)):
        np.testing.assert_allclose(a, b, atol=1e-5)
