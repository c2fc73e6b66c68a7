"""Crops are drawn as torchvision draws them, for a row and an epoch alone."""

import numpy as np
import pytest
import torch
from finetuning_examples import TinyNetwork
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from skknn import BackboneEmbedder
from skknn.finetuning._augmentation import TrainingViews, draw_crop
from skknn.modalities import RGBImage

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def extractor():
    embedder = BackboneEmbedder(TinyNetwork, weights=None, image_size=16, device="cpu")
    return embedder.fit(PIXELS[None]).backbone_


def views(extractor, **settings):
    return TrainingViews(
        extractor, **{"augment": True, "min_crop": 0.25, "seed": 0} | settings
    )


@pytest.mark.parametrize("size", [(40, 60), (200, 30), (1, 1), (5, 300)])
def test_crops_have_the_distribution_of_torchvision(size):
    rng = np.random.default_rng(0)
    ours = np.array([draw_crop(rng, size, 0.25) for _ in range(2000)])
    image = torch.zeros(3, *size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = np.array(
            [
                RandomResizedCrop.get_params(image, [0.25, 1.0], [3 / 4, 4 / 3])
                for _ in range(2000)
            ]
        )
    bottom_right = ours[:, :2] + ours[:, 2:]
    assert (ours[:, :2] >= 0).all() and (bottom_right <= size).all()
    assert (ours[:, 2:] > 0).all()
    error = 4 * theirs.std(axis=0) * np.sqrt(2 / 2000) + 1e-9
    assert (abs(ours.mean(axis=0) - theirs.mean(axis=0)) <= error).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.15)


def test_a_view_follows_from_seed_epoch_and_row(extractor):
    image = RGBImage(PIXELS)
    first = views(extractor)(image, 0, 5)
    assert first.shape == (3, 16, 16) and first.dtype == torch.uint8
    assert (views(extractor)(image, 0, 5) == first).all()
    for other in ((1, 5), (0, 6)):
        assert (views(extractor)(image, *other) != first).any()
    assert (views(extractor, seed=1)(image, 0, 5) != first).any()


def test_half_of_the_views_are_mirrored(extractor):
    ramp = np.repeat(np.arange(60, dtype=np.uint8)[None, :, None], 40, 0)
    image = RGBImage(np.ascontiguousarray(np.repeat(ramp, 3, 2)))
    cut = views(extractor)
    rising = [bool(v[0, 0, -1] > v[0, 0, 0]) for v in (
        cut(image, 0, row) for row in range(200)
    )]  # fmt: skip
    assert 70 < sum(rising) < 130


def test_without_augmentation_it_is_the_evaluation_transform(extractor):
    found = views(extractor, augment=False)(RGBImage(PIXELS), 3, 4)
    assert (found == extractor.prepare(Image.fromarray(PIXELS))).all()
