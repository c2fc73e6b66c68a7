"""Files that are odd images, or none: read right, or named as they are."""

import io
import os
import pickle
import struct
import sys
import types
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from skknn.modalities import BadImageError, as_images

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def pixels(item):
    return np.asarray(as_images([item]).item(0).pil())


def encoded(image, format, **kwargs):
    file = io.BytesIO()
    image.save(file, format, **kwargs)
    return file.getvalue()


def refused(item, reason):
    with pytest.raises(BadImageError, match=f"(?s){reason}") as error:
        as_images([item]).item(0)
    return error.value


# --- orientation ----------------------------------------------------------------------


def tiff_tags(entries):
    """EXIF data as bytes, written by hand: (tag, type, count, 4 bytes of value)."""
    data = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries))
    for tag, kind, count, value in entries:
        data += struct.pack(">HHI", tag, kind, count) + value
    return data + bytes(4)


def orientation(value):
    return (0x0112, 3, 1, struct.pack(">HH", value, 0))


ODD_TAGS = {
    "width as text": (0x0100, 2, 4, b"480\0"),
    "date as a number": (0x0132, 3, 1, b"\0\7\0\0"),
    "rational that is a byte": (0x011A, 1, 1, b"\1\0\0\0"),
    "text of 255s": (0x010E, 2, 4, b"\xff\xff\xff\xff"),
    "value far outside the data": (0x010F, 2, 4000, struct.pack(">I", 90_000)),
    "unknown type": (0x0110, 77, 1, bytes(4)),
    "directory outside the data": (0x8769, 4, 1, struct.pack(">I", 99_999)),
}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("odd", ODD_TAGS)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_of_all_tags_the_orientation_alone_is_needed(odd, format):
    exif = tiff_tags(sorted([ODD_TAGS[odd], orientation(6)]))
    plain = np.asarray(Image.open(io.BytesIO(encoded(Image.fromarray(RGB), format))))
    data = encoded(Image.fromarray(RGB), format, exif=exif)
    for item in (data, Image.open(io.BytesIO(data))):
        np.testing.assert_array_equal(pixels(item), np.rot90(plain, -1))


@pytest.mark.parametrize("value", [0, 1, 9, 300])
def test_orientations_that_mean_nothing_turn_nothing(value):
    data = encoded(Image.fromarray(RGB), "PNG", exif=tiff_tags([orientation(value)]))
    np.testing.assert_array_equal(pixels(data), RGB)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_tags_do_not_spoil_a_picture():
    good = tiff_tags([ODD_TAGS["width as text"], orientation(1)])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        exif = bytearray(good)
        for place in rng.integers(6, len(exif), 4):
            exif[place] = rng.integers(256)
        data = encoded(Image.fromarray(RGB), "PNG", exif=bytes(exif))
        found = pixels(data)
        assert sorted(found.shape) == sorted(RGB.shape)
        assert found.astype(int).sum() == RGB.astype(int).sum()


# --- 16 bits --------------------------------------------------------------------------


def png_16(levels, colour, transparent=None):
    """A 16-bit PNG written by hand; Pillow writes none in colour."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (b"" if transparent is None else chunk(b"tRNS", transparent))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("colour, n_channels", [(0, 1), (2, 3), (6, 4)])
def test_16_bit_files_equal_their_arrays(colour, n_channels, tmp_path):
    levels = RNG.integers(0, 65536, (9, 8, n_channels), dtype=np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(png_16(levels, colour))
    found = pixels(path)
    for array in (levels, levels.astype(">u2"), levels.astype("<u2")):
        np.testing.assert_array_equal(pixels(array), found)
    tensor = torch.from_numpy(levels).permute(2, 0, 1)
    np.testing.assert_array_equal(pixels(tensor), found)
    if n_channels < 4:
        expected = np.broadcast_to(levels // 256, (9, 8, 3))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i8", "f4", "f8"])
def test_the_order_of_bytes_does_not_matter(order, kind):
    levels = RNG.integers(0, 256, (5, 6))
    if kind == "u2":
        array, expected = levels * 256, levels
    else:
        array, expected = levels / 255 if kind[0] == "f" else levels, levels
    found = pixels(array.astype(order + kind))
    np.testing.assert_array_equal(found[:, :, 0], expected)


def test_16_bit_big_endian_values_below_256_are_dark():
    array = np.full((4, 4), 255, ">u2")
    assert pixels(array).max() == 0
    np.testing.assert_array_equal(pixels(array), pixels(array.astype("<u2")))


def test_a_transparent_grey_of_16_bits_is_white(tmp_path):
    levels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    data = png_16(levels, 0, transparent=struct.pack(">H", 10_000))
    expected = np.where(levels == 10_000, 255, levels // 256)
    np.testing.assert_array_equal(pixels(data)[:, :, 0], expected)


# --- frames ---------------------------------------------------------------------------

COLOURS = ("red", "lime", "blue")


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_an_image_at_a_later_frame_gives_its_first_and_stays_there(format, tmp_path):
    frames = [Image.new("RGB", (6, 5), colour) for colour in COLOURS]
    path = tmp_path / "frames"
    frames[0].save(path, format, save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        first = pixels(path)
        image.seek(2)
        here = image.convert("RGB").tobytes()
        for _ in range(2):
            np.testing.assert_array_equal(pixels(image), first)
            assert image.tell() == 2
            assert image.convert("RGB").tobytes() == here
        # The way to another frame.
        np.testing.assert_array_equal(
            pixels(image.copy()), np.asarray(image.convert("RGB"))
        )
    assert tuple(first[0, 0])[0] > 200


def test_a_closed_animation_says_how_to_take_the_frame(tmp_path):
    frames = [Image.new("RGB", (6, 5), colour) for colour in COLOURS]
    path = tmp_path / "frames.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    image = Image.open(path)
    image.seek(1)
    image.close()
    refused(image, r"frame 1.*image\.copy\(\)")


# --- what must not be read ------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="files of the Linux kernel")
@pytest.mark.parametrize(
    "target", ["/proc/kmsg", "/proc/self/pagemap", "/proc/self/mem", "/dev/zero"]
)
def test_links_to_files_of_the_kernel_are_refused_unread(target, tmp_path, monkeypatch):
    if not os.path.exists(target):
        pytest.skip(f"no {target}")

    def read(self):
        raise AssertionError("was read")

    monkeypatch.setattr("pathlib.Path.read_bytes", read)
    (tmp_path / "a.jpg").symlink_to(target)
    refused(tmp_path / "a.jpg", "a.jpg.*(empty|not a regular file)")


def test_files_larger_than_any_image_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "sparse.jpg"
    with open(path, "wb") as file:
        file.write(encoded(Image.fromarray(RGB), "JPEG"))
        file.truncate(3 * 2**30)
    refused(path, r"sparse.jpg.*3221225472 bytes.*MAX_IMAGE_PIXELS")
    # The user decides; nothing as large as that is read here.
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", RGB.size // 3)
    np.testing.assert_array_equal(pixels(path), RGB)


def bomb(width, height):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9500, 13_300, 60_000])
def test_bombs_are_refused_by_their_header(side, monkeypatch):
    data = bomb(side, side)

    def load(self):
        raise AssertionError("was decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    refused(data, "decompression bomb.*MAX_IMAGE_PIXELS")
    if side < 13_400:  # Pillow itself opens it
        refused(Image.open(io.BytesIO(data)), "decompression bomb.*MAX_IMAGE_PIXELS")


def test_the_limit_is_pillows_own(monkeypatch):
    data = encoded(Image.fromarray(RGB), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 13 * 17 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        refused(data, "17 x 13 pixels.*MAX_IMAGE_PIXELS")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    np.testing.assert_array_equal(pixels(data), RGB)
    # What is in memory already was not read by us.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(pixels(Image.fromarray(RGB)), RGB)
    np.testing.assert_array_equal(pixels(RGB), RGB)


# --- formats that Pillow does not know ------------------------------------------------


def tiff(n_channels, bits, kind, order=">"):
    """A TIFF of 2 x 2 pixels, all zero, written by hand."""
    tags = {256: 2, 257: 2, 258: bits, 259: 1, 262: 1, 273: 8, 277: n_channels}
    n_bytes = 4 * n_channels * bits // 8
    tags |= {278: 2, 279: n_bytes, 339: kind}
    start = b"MM\0*" if order == ">" else b"II*\0"
    data = start + struct.pack(order + "I", 8 + n_bytes) + bytes(n_bytes)
    data += struct.pack(order + "H", len(tags))
    for tag, value in tags.items():
        data += struct.pack(order + "HHII", tag, 4, 1, value)
    return data + bytes(4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_tiffs_say_what_they_are():
    refused(tiff(7, 16, 1), "TIFF with 7 channels of 16-bit whole numbers.*tifffile")
    refused(tiff(3, 32, 3, "<"), "TIFF with 3 channels of 32-bit floats.*tifffile")
    refused(tiff(1, 64, 1), "TIFF with 1 channel of 64-bit whole numbers")
    refused(b"II*\0" + bytes(30), "TIFF, but damaged")
    image = Image.fromarray(np.full((4, 4), 3.5, np.float32))
    refused(encoded(image, "TIFF"), "32-bit floats.*3.5.*0 to 1")


HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(40)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)


@pytest.mark.parametrize(
    "data, module, what",
    [
        (HEIC, "pillow_heif", r"HEIC or HEIF.*pip install 'skknn\[heif\]'"),
        (JXL, "pillow_jxl", "JPEG XL.*pip install 'pillow-jxl-plugin'"),
    ],
    ids=["HEIC", "JPEG XL"],
)
def test_the_package_that_reads_a_format_is_named(data, module, what, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    refused(data, what)
    # There, but of no help.
    package = types.ModuleType(module)
    package.register_heif_opener = lambda: None
    monkeypatch.setitem(sys.modules, module, package)
    refused(data, "damaged or of an unknown kind")


def test_the_package_is_used_where_it_is_installed():
    heif = pytest.importorskip("pillow_heif")
    smooth = np.linspace(0, 255, 64 * 48 * 3).astype(np.uint8).reshape(48, 64, 3)
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(smooth)).save(file, format="HEIF", quality=-1)
    found = pixels(file.getvalue()).astype(int)
    assert found.shape == smooth.shape
    assert np.abs(found - smooth).mean() < 3


@pytest.mark.parametrize(
    "data, what",
    [
        (b"%PDF-1.7", "PDF"),
        (b"\xef\xbb\xbf\n<svg xmlns=''>", "SVG"),
        (b"<!doctype html><html>404", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"hello", "no image"),
    ],
    ids=["PDF", "SVG", "web page", "LFS pointer", "text"],
)
def test_what_is_often_found_under_an_images_name(data, what, tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    error = refused(path, f"image.jpg.*{what}")
    assert error.file == str(path) and what in error.problem
    assert str(path) not in error.problem
    again = pickle.loads(pickle.dumps(error))  # as it comes from another process
    assert str(again) == str(error) and vars(again) == vars(error)


def test_errors_can_be_made_as_other_libraries_remake_them():
    """By ``cls.__new__(cls)``: tblib does so, under dask and test runners."""
    for cls in (BadImageError, BadImageError.__base__):
        made = cls.__new__(cls)
        made.args = ("row 3",)
        assert isinstance(made, ValueError) and isinstance(made, OSError)
        assert str(made) == "row 3"
