"""Small pictures show what the features are made of."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from skknn.modalities import as_images, thumbnail


def landscape():
    """Four colours, each in a corner, of 900 x 600 pixels."""
    corners = np.array(
        [[[220, 30, 30], [30, 200, 30]], [[30, 30, 220], [230, 230, 40]]], np.uint8
    )
    return Image.fromarray(corners.repeat(300, axis=0).repeat(450, axis=1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_features_see_it(tmp_path, orientation):
    file = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    landscape().save(file, exif=exif, quality=95)
    small = thumbnail(file, 96)
    assert small.size == ((96, 64) if orientation < 5 else (64, 96))
    whole = as_images([file]).item(0).pil().resize(small.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(small, float) - np.asarray(whole, float))
    assert difference.mean() < 3  # colours differ by 200
    assert not small.info


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
def test_small_images_stay_as_features_see_them(tmp_path, mode):
    file = tmp_path / ("photo.tif" if mode in ("CMYK", "I;16") else "photo.png")
    image = landscape().resize((30, 20))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
    elif mode == "RGBA":
        image.putalpha(100)
    else:
        image = image.convert(mode)
    image.save(file)
    small = thumbnail(file, 96)
    assert small.mode == "RGB"
    np.testing.assert_array_equal(small, as_images([file]).item(0).pil())


def test_a_line_keeps_its_pixel(tmp_path):
    Image.new("RGB", (3000, 2), "teal").save(tmp_path / "line.jpg")
    assert thumbnail(tmp_path / "line.jpg", 96).size == (96, 1)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"%PDF-1.7")
    with pytest.raises(ValueError, match="it is a PDF document"):
        thumbnail(tmp_path / "photo.jpg", 96)


@pytest.mark.parametrize("kind", [RuntimeError, SyntaxError])
def test_errors_of_decoders_are_told_with_the_file(tmp_path, monkeypatch, kind):
    """As of a damaged AVIF file."""

    def load(image):
        raise kind("no colour planes")

    landscape().save(tmp_path / "photo.png")
    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(ValueError, match=r"photo.png' cannot be decoded \(no colour"):
        thumbnail(tmp_path / "photo.png", 96)
