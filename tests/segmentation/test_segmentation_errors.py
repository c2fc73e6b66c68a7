"""What errors of InContextSegmenter name."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from skknn import DenseEmbedder, InContextSegmenter
from skknn.modalities import BadImageError

EMBEDDER = DenseEmbedder("test_vit", weights=None, image_size=32, random_state=0)


@pytest.mark.parametrize("n_augmentations", [0, 1])
def test_rows_that_cannot_be_read_are_those_of_the_whole(tmp_path, n_augmentations):
    image = Image.new("RGB", (32, 32), (200, 40, 40))
    mask = np.zeros((32, 32), np.uint8)
    segmenter = InContextSegmenter(EMBEDDER, n_augmentations=n_augmentations)
    images = [image] * 20
    segmenter.fit(images[:2], [mask] * 2)
    images[10] = str(tmp_path / "row 1.png")
    one = images.copy()
    images[18] = np.full((4, 4), "text")
    for call in (
        lambda images: segmenter.fit(images, [mask] * 20),
        segmenter.predict,
        lambda images: segmenter.score(images, [mask] * 20),
    ):
        with pytest.raises(BadImageError, match=r"images: row 10 \(.*row 1\.png") as e:
            call(one)
        assert e.value.row == 10 and e.value.file == images[10]
        assert "on_error" not in str(e.value)
        assert e.value.argument == "images"
        assert str(e.value) == f"images: {e.value.reason}. {e.value.remedy}"
        with pytest.raises(BadImageError, match="2 rows cannot be used") as e:
            call(images)
        assert "\n  row 10 " in str(e.value) and "\n  row 18 " in str(e.value)
        assert e.value.row == 10 and "on_error" not in str(e.value)


def two_classes(dtype=np.uint8, labels=(3, 7)):
    """Maps whose halves are the classes, and their masks."""
    maps = np.zeros((2, 2, 2, 2), dtype="float32")
    maps[:, :, 0, 0] = maps[:, :, 1, 1] = 1
    mask = np.repeat([np.repeat(np.array(labels, dtype), 2)], 4, axis=0)
    return maps, [mask, mask.copy()]


@pytest.fixture
def halves():
    return InContextSegmenter(n_neighbors=1).fit(*two_classes())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (([3], [-1.0]), r"tau=-1\.0 must be a number above 0"),
        (([3], [0.1, 0]), "tau=0 must"),
        (([3], [np.nan]), "tau=nan must"),
        (([3], ["warm"]), "tau='warm' must"),
        (([3], []), r"tau=\[\] must have at least one"),
        (([3], 0.1), r"tau=0\.1 must be a sequence"),
        (([0], [0.1]), "n_neighbors=0 must be a positive integer"),
        (([], [0.1]), r"n_neighbors=\[\] must have at least one"),
        ((3, [0.1]), "n_neighbors=3 must be a sequence"),
    ],
)
def test_settings_that_cannot_be_scored(halves, settings, message):
    with pytest.raises(ValueError, match=message):
        halves.grid_scores(*two_classes(), *settings)


@pytest.mark.parametrize("tau", [-1, 0])
def test_temperatures_set_after_fit(halves, tau):
    maps, masks = two_classes()
    halves.set_params(tau=tau)
    with pytest.raises(ValueError, match=f"tau={tau} must be a number above 0"):
        halves.score(maps, masks)
    with pytest.raises(ValueError, match=f"tau={tau} must be a number above 0"):
        halves.predict(maps)


@pytest.mark.parametrize("label", [5, 300, 9000, 2**40])
def test_labels_of_any_value_are_scored(halves, label):
    maps, masks = two_classes(np.int64)
    masks[1][0, :3] = label
    masks[1][1, 0] = 255
    # Void excluded: 3 has 13 right of 15; 7 has 15 of 16; the new label is missed.
    tracemalloc.start()
    found = halves.score(maps, masks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(np.mean([13 / 15, 15 / 16, 0]))
    assert peak < 1e7
    wide = InContextSegmenter(n_neighbors=1).fit(*two_classes(np.int64, (3, label)))
    assert wide.score(*two_classes(np.int64, (3, label))) == 1


def test_scores_of_a_class_that_became_void(halves):
    maps, masks = two_classes()
    masks[0][0, 2] = 3
    halves.set_params(ignore_index=7)
    # One of 17 pixels of class 3 is predicted as what is void now.
    assert halves.score(maps, masks) == pytest.approx(16 / 17)


def test_mixed_integers_stay_integers():
    maps, masks = two_classes(np.int64)
    masks[1] = masks[1].astype(np.uint64)
    together = InContextSegmenter(n_neighbors=1).fit(maps, masks)
    apart = InContextSegmenter(n_neighbors=1).fit(maps[:1], masks[:1])
    apart.partial_fit(maps[1:], masks[1:])
    for segmenter in (together, apart):
        assert segmenter.classes_.dtype == np.int64
        assert segmenter.predict(maps).dtype == np.int64
        assert segmenter.score(maps, masks) == 1
    masks[1][0, 0] = 2**64 - 1
    large = InContextSegmenter(n_neighbors=1).fit(maps, masks)
    assert large.classes_.tolist() == [3, 7, 2**64 - 1]
    np.testing.assert_array_equal(large.predict(maps)[0], masks[0])


@pytest.mark.parametrize(
    "sizes",
    [[(4, 4), (0, 4)], [(4, 4), (4, 4, 3)], [4, 4], [(4, 4), (4.5, 4)], [(4, 4)], 4],
)
def test_sizes_that_will_not_do(halves, sizes):
    maps, _ = two_classes()
    for predict in (halves.predict, halves.predict_proba):
        with pytest.raises(ValueError, match="sizes.*height, width"):
            predict(maps, sizes=sizes)


def test_masks_are_named_by_their_numbers(halves, tmp_path):
    maps, masks = two_classes()
    negative = masks[1].astype(int)
    negative[0, 0] = -2
    cut = tmp_path / "cut.npy"
    np.save(cut, masks[1])
    cut.write_bytes(cut.read_bytes()[:-3])
    empty, missing = tmp_path / "empty.npy", tmp_path / "missing.npy"
    empty.touch()
    picture = tmp_path / "cut.png"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(picture)
    picture.write_bytes(picture.read_bytes()[:-900])
    for bad in (negative, cut, empty, missing, picture, Image.open(picture)):
        for call in (halves.score, halves.partial_fit):
            with pytest.raises(ValueError, match="Mask 1 .*(cannot be read|-2)"):
                call(maps, [masks[0], bad])
    halves.set_params(ignore_index=-2)
    assert halves.score(maps, [masks[0], negative]) == 1


@pytest.mark.parametrize("n_augmentations", [0, 1])
def test_masks_of_another_aspect(tmp_path, n_augmentations):
    image = Image.new("RGB", (48, 32), (200, 40, 40))
    mask, turned = np.zeros((32, 48), np.uint8), np.zeros((48, 32), np.uint8)
    file = str(tmp_path / "turned.png")
    Image.fromarray(turned).save(file)
    segmenter = InContextSegmenter(EMBEDDER, n_augmentations=n_augmentations)
    segmenter.fit([image], [mask])
    for bad, name in ((turned, "Mask 1"), (file, r"Mask 1 \(.*turned\.png'\)")):
        message = name + r" has \(height, width\) \(48, 32\), image 1 \(32, 48\)"
        for call in (segmenter.fit, segmenter.partial_fit, segmenter.score):
            with pytest.raises(ValueError, match=message):
                call([image] * 2, [mask, bad])
    # Sides at another size are rounded.
    for shape in ((11, 16), (10, 16), (133, 200), (1, 1)):
        segmenter.fit([image], [np.zeros(shape, np.uint8)])
