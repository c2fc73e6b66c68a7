"""Images are decoded once, within a bound."""

from collections import Counter

import numpy as np
import pytest

from skknn.finetuning._held_images import HeldImages
from skknn.modalities import BadImageError, as_images

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
BYTES = 8 * 10 * 3


class Counted:
    """A source that counts how often it decodes each row."""

    def __init__(self, source):
        self.source, self.counts = source, Counter()

    def __len__(self):
        return len(self.source)

    def __getattr__(self, name):
        return getattr(self.source, name)

    def item(self, row, content=None):
        self.counts[row] += 1
        return self.source.item(row, content)


@pytest.mark.parametrize("n_held", [0, 2, 5])
def test_what_fits_is_decoded_once(n_held):
    source = Counted(as_images(IMAGES))
    held = HeldImages(source, n_held * BYTES + BYTES // 2)
    for _ in range(3):
        for row in range(5):
            np.testing.assert_array_equal(held.item(row).pixels(), IMAGES[row])
    assert sorted(source.counts.values()) == sorted([1] * n_held + [3] * (5 - n_held))


def test_chosen_rows_share_what_is_held():
    source = Counted(as_images(IMAGES))
    held = HeldImages(source, 100 * BYTES)
    some = held.rows([4, 1, 3]).rows([2, 0])
    assert len(some) == 2
    for row, number in enumerate([3, 4]):
        np.testing.assert_array_equal(some.item(row).pixels(), IMAGES[number])
        np.testing.assert_array_equal(held.item(number).pixels(), IMAGES[number])
        assert some.fetch(row).digest() == held.fetch(number).digest()
    assert source.counts == {3: 1, 4: 1}
    part = some.part(1, 2)
    assert len(part) == 1
    np.testing.assert_array_equal(part.item(0).pixels(), IMAGES[4])


def test_nobody_can_change_what_is_held():
    held = HeldImages(as_images(list(IMAGES)), 100 * BYTES)
    held.item(0).pil().paste(0, (0, 0, 10, 8))
    np.testing.assert_array_equal(held.item(0).pixels(), IMAGES[0])


def test_errors_name_the_row_in_the_whole(tmp_path):
    file = tmp_path / "broken.png"
    file.write_bytes(b"nothing")
    held = HeldImages(as_images([IMAGES[0], IMAGES[1], str(file)]), BYTES)
    with pytest.raises(BadImageError, match="row 2 .*broken.png"):
        held.rows([2]).item(0)
    assert "row 2" in str(held.rows([0, 2]).bad(1, ValueError("no")))
