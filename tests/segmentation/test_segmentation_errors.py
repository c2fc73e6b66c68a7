"""What errors of InContextSegmenter name."""

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
