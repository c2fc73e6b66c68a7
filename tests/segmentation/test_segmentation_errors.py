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
