"""Decoded images as Pillow's objects and as pixels."""

import gc

import numpy as np
import pytest
from PIL import Image

from skknn.modalities import RGBImage

RGB = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)


@pytest.fixture(params=["shared memory", "Pillow before 11.2"])
def export(request, monkeypatch):
    if request.param != "shared memory":
        monkeypatch.delattr(Image.Image, "__arrow_c_array__", raising=False)


@pytest.mark.parametrize("source", [RGB, Image.fromarray(RGB)])
def test_both_forms_have_the_same_pixels(source, export):
    image = RGBImage(source)
    assert image.size == (13, 17)
    np.testing.assert_array_equal(np.asarray(image.pil()), RGB)
    np.testing.assert_array_equal(image.pixels()[..., :3], RGB)


def test_pixels_outlive_the_image(export):
    pixels = RGBImage(Image.fromarray(RGB)).pixels()
    gc.collect()
    others = [Image.new("RGB", (17, 13), (i, i, i)) for i in range(50)]
    np.testing.assert_array_equal(pixels[..., :3], RGB)
    del others


def test_images_in_several_pieces_of_memory():
    # Pillow keeps at most 16 MB in one piece.
    image = Image.new("RGB", (3000, 2000), (1, 2, 3))
    image.putpixel((2999, 1999), (4, 5, 6))
    pixels = RGBImage(image).pixels()
    assert pixels.shape == (2000, 3000, 4)
    assert pixels[0, 0, :3].tolist() == [1, 2, 3]
    assert pixels[1999, 2999, :3].tolist() == [4, 5, 6]


def test_what_is_borrowed_is_copied_before_it_may_be_changed():
    image = Image.fromarray(RGB)
    RGBImage(image, borrowed=True).pil().paste((0, 0, 0), (0, 0, 5, 5))
    np.testing.assert_array_equal(np.asarray(image), RGB)
    assert RGBImage(image).pil() is image
