"""JPEG files: torchvision's decoder where it gives Pillow's pixels, else Pillow."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from skknn.modalities import BadImageError, _jpeg, as_images

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (61, 83, 3), dtype=np.uint8)
SMOOTH = np.asarray(
    Image.fromarray(NOISE[:9, :11]).resize((83, 61), Image.Resampling.BICUBIC)
)


def encoded(array, mode="RGB", **kwargs):
    file = io.BytesIO()
    Image.fromarray(array).convert(mode).save(file, "JPEG", **kwargs)
    return file.getvalue()


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def xmp(value):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
        f'tiff:Orientation="{value}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


def several_pictures():
    file = io.BytesIO()
    first, second = Image.fromarray(NOISE), Image.fromarray(SMOOTH)
    first.save(file, "MPO", save_all=True, append_images=[second])
    return file.getvalue()


def without_jfif(data):
    """Decoders then guess the colours from the components."""
    assert data[2:4] == b"\xff\xe0"
    length = int.from_bytes(data[4:6], "big")
    return data[:2] + data[4 + length :]


PLAIN = {
    "444": encoded(NOISE, subsampling="4:4:4"),
    "422": encoded(NOISE, subsampling="4:2:2"),
    "420": encoded(NOISE, subsampling="4:2:0"),
    "progressive": encoded(NOISE, progressive=True),
    "best quality": encoded(NOISE, quality=100),
    "worst quality": encoded(SMOOTH, quality=1),
    "optimised": encoded(SMOOTH, optimize=True),
    "restart markers": encoded(SMOOTH, restart_marker_blocks=3),
    "grey": encoded(NOISE, "L"),
    "grey progressive": encoded(NOISE, "L", progressive=True),
    "RGB inside": encoded(NOISE, keep_rgb=True),
    "no JFIF": without_jfif(encoded(NOISE)),
    "one pixel": encoded(NOISE[:1, :1]),
    "thin": encoded(NOISE[:1]),
    "colour profile": encoded(NOISE, icc_profile=b"not really one"),
    "comment": encoded(NOISE, comment=b"hello"),
    "upright by EXIF": encoded(NOISE, exif=with_orientation(1)),
}
ODD = {
    "CMYK": encoded(NOISE, "CMYK"),
    "turned by EXIF": encoded(NOISE, exif=with_orientation(6)),
    "turned by XMP": encoded(NOISE, xmp=xmp(3)),
    "several pictures": several_pictures(),
    "bytes after the end": encoded(NOISE) + b"and more",
}


@pytest.fixture
def decoded_by_torchvision(monkeypatch):
    """Counts the files that torchvision decodes, besides its first checks."""
    for name in ("444", "progressive"):
        as_images([PLAIN[name]]).item(0)
    calls = []
    original = _jpeg._pixels

    def counting(data):
        calls.append(1)
        return original(data)

    monkeypatch.setattr(_jpeg, "_pixels", counting)
    return calls


@pytest.mark.parametrize("name", PLAIN | ODD)
def test_the_pixels_are_pillows(name, decoded_by_torchvision):
    data = (PLAIN | ODD)[name]
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        # Old releases of Pillow read no XMP in JPEG files.
        turned = image.getexif().get(0x0112, 1) != 1
    found = as_images([data]).item(0).pil()
    assert found.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(found), expected)
    plain = name in PLAIN or (name == "turned by XMP" and not turned)
    if "progressive" in name:  # only where the two make up the same for missing parts
        plain = _jpeg._agrees_with_pillow(True)
    assert len(decoded_by_torchvision) == plain


def test_files_and_opened_images_are_the_same_pixels(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(PLAIN["420"])
    images = as_images([path, Image.open(path), path.read_bytes()])
    first, *others = (np.asarray(images.item(row).pil()) for row in range(3))
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("name", ["420", "progressive", "grey"])
def test_damaged_files_are_what_pillow_says(name):
    """The same pixels as Pillow's, or an error where Pillow has one."""
    data, n_errors = PLAIN[name], 0
    for trial in range(300):
        damaged = bytearray(data)
        for place in RNG.integers(2, len(data), 1 + trial % 5):
            damaged[place] = RNG.integers(256)
        if trial % 7 == 0:
            damaged = damaged[: RNG.integers(2, len(data))] + b"\xff\xd9"
        try:
            with Image.open(io.BytesIO(damaged)) as image:
                expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except Exception:
            n_errors += 1
            with pytest.raises(BadImageError, match="row 0"):
                as_images([bytes(damaged)]).item(0)
            continue
        found = as_images([bytes(damaged)]).item(0).pil()
        np.testing.assert_array_equal(np.asarray(found), expected)
    assert 0 < n_errors < 300


def test_decoders_that_make_up_missing_parts_otherwise_get_no_progressive_file(
    monkeypatch,
):
    """As those of torchvision 0.21 and Pillow 12 do."""
    original, calls = _jpeg._pixels, []

    def other(data):
        calls.append(data)
        n_scans = data.count(b"\xff\xda")
        # Pillow writes 10 scans in colour and 6 in grey; else some are missing.
        return original(data) ^ (b"\xff\xc2" in data and n_scans not in (6, 10))

    data = PLAIN["progressive"]
    cut = data[: data.rindex(b"\xff\xda")] + b"\xff\xd9"
    monkeypatch.setattr(_jpeg, "_pixels", other)
    _jpeg._agrees_with_pillow.cache_clear()
    try:
        for file in (cut, data, PLAIN["420"]):
            found = as_images([file]).item(0).pil()
            with Image.open(io.BytesIO(file)) as image:
                np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    finally:
        _jpeg._agrees_with_pillow.cache_clear()
    assert PLAIN["420"] in calls and data not in calls and cut not in calls


@pytest.mark.parametrize("how", ["not there", "other pixels"])
def test_pillow_decodes_unless_torchvision_agrees_with_it(how, monkeypatch):
    def other(data):
        if how == "not there":
            raise RuntimeError("decode_jpeg: torchvision not compiled with libjpeg")
        return np.zeros((61, 83, 3), np.uint8)

    monkeypatch.setattr(_jpeg, "_pixels", other)
    _jpeg._agrees_with_pillow.cache_clear()
    try:
        found = as_images([PLAIN["444"]]).item(0).pil()
    finally:
        _jpeg._agrees_with_pillow.cache_clear()
    with Image.open(io.BytesIO(PLAIN["444"])) as image:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
