"""InContextSegmenter on images: masks of all forms, sizes, augmentation."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skknn import DenseEmbedder, InContextSegmenter

EMBEDDER = DenseEmbedder("test_vit", weights=None, image_size=64, random_state=0)


@pytest.fixture(scope="module")
def photos():
    """Images of two colours, the mask says where the second is; sizes differ."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for i in range(6):
        height, width = (64, 96) if i % 2 else (64, 64)
        cut = int(rng.integers(16, width - 16))
        mask = np.zeros((height, width), np.uint8)
        mask[:, cut:] = 1
        pixels = np.where(mask[..., None] == 1, [200, 40, 40], [30, 60, 200])
        pixels = pixels + rng.integers(-20, 20, pixels.shape)
        images.append(Image.fromarray(pixels.astype(np.uint8)))
        masks.append(mask)
    return images, masks


@pytest.fixture(scope="module")
def fitted(photos):
    images, masks = photos
    return InContextSegmenter(EMBEDDER, n_neighbors=5).fit(images[:4], masks[:4])


def test_prediction_at_the_size_of_the_image(photos, fitted):
    images, masks = photos
    labels = fitted.predict(images[4:])
    assert [m.shape for m in labels] == [(64, 64), (64, 96)]
    assert fitted.score(images[4:], masks[4:]) > 0.8
    proba = fitted.predict_proba(images[4:])
    assert proba[1].shape == (64, 96, 2) and proba[1].dtype == np.float32
    np.testing.assert_array_equal(proba[0].argmax(-1), labels[0])


def test_embedder_is_cloned_and_maps_are_the_same(photos, fitted):
    images, masks = photos
    assert fitted.embedder_ is not EMBEDDER
    maps = EMBEDDER.fit_transform(images)
    by_hand = InContextSegmenter(n_neighbors=5).fit(maps[:4], masks[:4])
    np.testing.assert_array_equal(by_hand.bank_.features, fitted.bank_.features)


def test_masks_of_all_forms(photos, fitted, tmp_path):
    images, masks = photos
    palette = Image.fromarray(masks[0]).convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.putdata(masks[0].ravel().tolist())
    grey = Image.fromarray(masks[1])
    file = tmp_path / "mask.png"
    Image.fromarray(masks[2]).save(file)
    table = tmp_path / "mask.npy"
    np.save(table, masks[3])
    for forms in ([palette, grey, str(file), table], [masks[0] == 1, *masks[1:4]]):
        found = InContextSegmenter(EMBEDDER, n_neighbors=5).fit(images[:4], forms)
        np.testing.assert_array_equal(
            found.bank_.labels.toarray(), fitted.bank_.labels.toarray()
        )


def test_containers(photos, fitted, tmp_path):
    images, masks = photos
    paths = []
    for i, image in enumerate(images):
        paths.append(str(tmp_path / f"{i}.png"))
        image.save(paths[-1])
    expected = fitted.predict(images)
    series = pd.Series(paths, index=list("abcdef"))
    found = InContextSegmenter(EMBEDDER, n_neighbors=5)
    found.fit(series[:4], pd.Series(masks[:4], index=list("wxyz")))
    for one, other in zip(found.predict(series), expected):
        np.testing.assert_array_equal(one, other)


def test_arrays_of_images(photos):
    images, masks = photos
    stack = np.stack([np.asarray(im) for im in images[::2]])
    truth = np.stack(masks[::2])
    segmenter = InContextSegmenter(EMBEDDER, n_neighbors=3).fit(stack, truth)
    assert segmenter.predict(stack).shape == truth.shape


def test_augmentation(photos):
    images, masks = photos
    settings = {"n_neighbors": 5, "n_augmentations": 3, "random_state": 0}
    segmenter = InContextSegmenter(EMBEDDER, **settings).fit(images[:4], masks[:4])
    plain = InContextSegmenter(EMBEDDER, n_neighbors=5).fit(images[:4], masks[:4])
    assert len(segmenter.bank_) == 3 * len(plain.bank_)
    assert segmenter.score(images[4:], masks[4:]) > 0.8
    again = InContextSegmenter(EMBEDDER, **settings).fit(images[:4], masks[:4])
    np.testing.assert_array_equal(segmenter.bank_.features, again.bank_.features)
    bounded = InContextSegmenter(EMBEDDER, max_patches=24, **settings)
    bounded.fit(images[:4], masks[:4])
    assert np.bincount(bounded.bank_.images).tolist() == [6] * 4


def test_augmented_images_and_masks_go_together():
    from skknn.segmentation._augmentation import augmented

    rng = np.random.default_rng(0)
    mask = np.kron(rng.integers(0, 2, (6, 8)), np.ones((20, 20), int))
    image = Image.fromarray((mask * 255).astype(np.uint8)).convert("RGB")
    moved = []
    for seed in range(8):
        cut, label = augmented(image, mask, np.random.default_rng(seed))
        assert cut.size == image.size and label.shape == mask.shape
        seen = np.asarray(cut)[..., 0] > 127
        assert (seen == label).mean() > 0.97
        moved.append((label != mask).mean())
    assert min(moved) > 0.05


def test_unreadable_masks(photos, tmp_path):
    images, masks = photos
    colours = Image.new("RGB", (64, 64))
    with pytest.raises(ValueError, match="Mask 1 is an image of mode 'RGB'"):
        InContextSegmenter(EMBEDDER).fit(images[:2], [masks[0], colours])
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"Mask 0 .*bad\.png"):
        InContextSegmenter(EMBEDDER).fit(images[:1], [bad])
