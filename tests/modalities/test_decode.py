"""Single images of every kind: handled as documented, or one clear error."""

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from skknn.modalities import BadImageError, as_images

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
GREY = RGB[:, :, 0]
ALPHA = RNG.integers(0, 256, (13, 17), dtype=np.uint8)


def pixels(item):
    """The RGB pixels that an item becomes."""
    image = as_images([item]).item(0)
    bare, found = image.pixels(), image.pil()
    assert found.mode == "RGB"
    assert bare.dtype == np.uint8 and bare.shape[:2] == image.size
    np.testing.assert_array_equal(bare[..., :3], np.asarray(found))
    return np.asarray(found)


def encoded(image, format, **kwargs):
    file = io.BytesIO()
    image.save(file, format, **kwargs)
    return file.getvalue()


def write(folder, data, name="image.jpg"):
    path = folder / name
    path.write_bytes(data)
    return path


def on_white(rgb, alpha):
    """Composite by the formula, in float64."""
    a = alpha[..., None] / 255.0
    return rgb * a + 255.0 * (1 - a)


def grey3(levels):
    return np.repeat(np.asarray(levels, dtype=np.float64)[:, :, None], 3, axis=2)


def photo():
    return Image.fromarray(RGB)


# Each gives (item, expected pixels, largest difference allowed).
def rgb_png(tmp):
    return write(tmp, encoded(photo(), "PNG")), RGB, 0


def path_as_string(tmp):
    return str(write(tmp, encoded(photo(), "PNG"))), RGB, 0


def path_as_numpy_string(tmp):
    return np.str_(write(tmp, encoded(photo(), "PNG"))), RGB, 0


def wrong_suffix(tmp):
    return write(tmp, encoded(photo(), "PNG"), "image.txt"), RGB, 0


def encoded_bytes(tmp):
    return encoded(photo(), "PNG"), RGB, 0


def grey_png(tmp):
    return write(tmp, encoded(Image.fromarray(GREY), "PNG")), grey3(GREY), 0


def bilevel_png(tmp):
    image = Image.fromarray(GREY > 127)
    return write(tmp, encoded(image, "PNG")), grey3(255 * (GREY > 127)), 0


def grey_16_bit_png(tmp):
    levels = np.linspace(0, 65535, 13 * 17).astype(np.uint16).reshape(13, 17)
    image = Image.fromarray(levels)
    assert image.mode == "I;16"
    return write(tmp, encoded(image, "PNG")), grey3(levels // 256), 0


def grey_16_bit_big_endian_tiff(tmp):
    levels = np.linspace(0, 65535, 12).astype(">u2").reshape(3, 4)
    # Width, height, bits, no compression, black is zero, offset, rows, bytes.
    tags = {256: 4, 257: 3, 258: 16, 259: 1, 262: 1, 273: 8, 278: 3, 279: 24}
    data = b"MM\0*" + struct.pack(">I", 8 + 24) + levels.tobytes()
    data += struct.pack(">H", len(tags))
    for tag, value in tags.items():
        data += struct.pack(">HHII", tag, 4, 1, value)
    path = write(tmp, data + bytes(4), "image.tif")
    with Image.open(path) as image:
        assert image.mode == "I;16B"
    return path, grey3(levels // 256), 0


def grey_32_bit_tiff(tmp):
    levels = np.linspace(0, 65535, 13 * 17).astype(np.int32).reshape(13, 17)
    image = Image.fromarray(levels)
    assert image.mode == "I"
    return write(tmp, encoded(image, "TIFF")), grey3(levels // 256), 0


def float_tiff(tmp):
    image = Image.fromarray((GREY / 255).astype(np.float32))
    assert image.mode == "F"
    return write(tmp, encoded(image, "TIFF")), grey3(GREY), 0


def rgba_png(tmp):
    image = Image.fromarray(np.dstack([RGB, ALPHA]))
    return write(tmp, encoded(image, "PNG")), on_white(RGB, ALPHA), 1


def fully_transparent_is_white(tmp):
    image = Image.fromarray(np.dstack([RGB, 0 * ALPHA]))
    return write(tmp, encoded(image, "PNG")), np.full_like(RGB, 255), 0


def grey_alpha_png(tmp):
    image = Image.fromarray(np.dstack([GREY, ALPHA]), "LA")
    return write(tmp, encoded(image, "PNG")), on_white(grey3(GREY), ALPHA), 1


def palette_png(tmp):
    image = photo().quantize(16)
    return write(tmp, encoded(image, "PNG")), np.asarray(image.convert("RGB")), 0


def palette_with_transparency(tmp):
    image = photo().quantize(16)
    index = np.asarray(image)
    expected = np.asarray(image.convert("RGB")).copy()
    expected[index == 3] = 255
    return write(tmp, encoded(image, "PNG", transparency=3)), expected, 0


def gif_with_transparency(tmp):
    image = photo().quantize(16)
    index = np.asarray(image)
    expected = np.asarray(image.convert("RGB")).copy()
    expected[index == 5] = 255
    return write(tmp, encoded(image, "GIF", transparency=5)), expected, 0


def rgb_png_with_transparent_colour(tmp):
    colour = tuple(int(v) for v in RGB[0, 0])
    expected = RGB.copy()
    expected[(RGB == RGB[0, 0]).all(axis=2)] = 255
    return write(tmp, encoded(photo(), "PNG", transparency=colour)), expected, 0


def cmyk_jpeg(tmp):
    cmyk = np.zeros((16, 16, 4), np.uint8)
    cmyk[..., 0], cmyk[..., 3] = 255, 51  # cyan and a fifth of black
    image = Image.fromarray(cmyk, "CMYK")
    expected = np.broadcast_to([0, 204, 204], (16, 16, 3))
    return write(tmp, encoded(image, "JPEG", quality=95)), expected, 2


def cmyk_tiff(tmp):
    image = Image.fromarray(np.full((4, 4, 4), [0, 255, 0, 0], np.uint8), "CMYK")
    expected = np.broadcast_to([255, 0, 255], (4, 4, 3))
    return write(tmp, encoded(image, "TIFF")), expected, 0


def ycbcr_image(tmp):
    flat = Image.new("RGB", (5, 4), (200, 30, 90))
    return flat.convert("YCbCr"), np.broadcast_to([200, 30, 90], (4, 5, 3)), 2


def one_pixel(tmp):
    return (
        write(tmp, encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")),
        [[[9, 8, 7]]],
        0,
    )


def long_strip(tmp):
    strip = np.zeros((10, 20_000, 3), np.uint8)
    strip[:, ::2] = 200
    return write(tmp, encoded(Image.fromarray(strip), "PNG")), strip, 0


def animated_gif(tmp):
    frames = [Image.new("RGB", (6, 5), c) for c in ("red", "lime", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    return write(tmp, data), np.broadcast_to([255, 0, 0], (5, 6, 3)), 0


def animated_png(tmp):
    frames = [Image.new("RGB", (6, 5), c) for c in ("red", "lime")]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    return write(tmp, data), np.broadcast_to([255, 0, 0], (5, 6, 3)), 0


def webp(tmp):
    return write(tmp, encoded(photo(), "WEBP", lossless=True)), RGB, 0


def bmp(tmp):
    return write(tmp, encoded(photo(), "BMP")), RGB, 0


def pil_image(tmp):
    return photo(), RGB, 0


def pil_image_not_loaded(tmp):
    return Image.open(write(tmp, encoded(photo(), "PNG"))), RGB, 0


def array_rgb(tmp):
    return RGB, RGB, 0


def array_grey(tmp):
    return GREY, grey3(GREY), 0


def array_one_channel(tmp):
    return GREY[:, :, None], grey3(GREY), 0


def array_rgba(tmp):
    return np.dstack([RGB, ALPHA]), on_white(RGB, ALPHA), 1


def array_not_contiguous(tmp):
    return RGB[::-2, ::3], RGB[::-2, ::3], 0


def array_float32(tmp):
    return (RGB / 255).astype(np.float32), RGB, 0


def array_float16(tmp):
    return (RGB / 255).astype(np.float16), RGB, 0


def array_float64(tmp):
    return RGB / 255, RGB, 0


def array_int64(tmp):
    return RGB.astype(np.int64), RGB, 0


def array_uint16(tmp):
    return RGB.astype(np.uint16) * 257, RGB, 0


def array_bool(tmp):
    return GREY > 127, grey3(255 * (GREY > 127)), 0


def array_read_only(tmp):
    array = RGB.copy()
    array.flags.writeable = False
    return array, RGB, 0


def nested_lists(tmp):
    return GREY.tolist(), grey3(GREY), 0


def tensor_rgb(tmp):
    return torch.from_numpy(RGB).permute(2, 0, 1), RGB, 0


def tensor_float(tmp):
    return torch.from_numpy(RGB).permute(2, 0, 1) / 255, RGB, 0


def tensor_bfloat16_grey(tmp):
    return torch.ones(4, 5, dtype=torch.bfloat16), np.full((4, 5, 3), 255), 0


HANDLED = [
    rgb_png,
    path_as_string,
    path_as_numpy_string,
    wrong_suffix,
    encoded_bytes,
    grey_png,
    bilevel_png,
    grey_16_bit_png,
    grey_16_bit_big_endian_tiff,
    grey_32_bit_tiff,
    float_tiff,
    rgba_png,
    fully_transparent_is_white,
    grey_alpha_png,
    palette_png,
    palette_with_transparency,
    gif_with_transparency,
    rgb_png_with_transparent_colour,
    cmyk_jpeg,
    cmyk_tiff,
    ycbcr_image,
    one_pixel,
    long_strip,
    animated_gif,
    animated_png,
    webp,
    bmp,
    pil_image,
    pil_image_not_loaded,
    array_rgb,
    array_grey,
    array_one_channel,
    array_rgba,
    array_not_contiguous,
    array_float32,
    array_float16,
    array_float64,
    array_int64,
    array_uint16,
    array_bool,
    array_read_only,
    nested_lists,
    tensor_rgb,
    tensor_float,
    tensor_bfloat16_grey,
]


@pytest.mark.parametrize("case", HANDLED, ids=lambda case: case.__name__)
def test_handled(case, tmp_path):
    item, expected, tolerance = case(tmp_path)
    found = pixels(item).astype(np.float64)
    assert found.shape == np.shape(expected)
    assert np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, tmp_path):
    """Each orientation undone by plain numpy."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path, encoded(photo(), "PNG", exif=exif))
    np.testing.assert_array_equal(pixels(path), undo(RGB))
    with Image.open(path) as image:
        np.testing.assert_array_equal(pixels(image), undo(RGB))


def test_images_of_the_user_are_not_changed(tmp_path):
    image = photo()
    before = image.tobytes(), image.mode, image.size
    found = as_images([image]).item(0).pil()
    found.paste((0, 0, 0), (0, 0, 5, 5))
    assert (image.tobytes(), image.mode, image.size) == before


# Each gives an item that cannot be used.
def truncated_jpeg(tmp):
    big = Image.fromarray(RNG.integers(0, 256, (99, 99, 3), dtype=np.uint8))
    data = encoded(big, "JPEG")
    return write(tmp, data[: len(data) // 2])


def truncated_png(tmp):
    data = encoded(photo(), "PNG")
    return write(tmp, data[: len(data) // 2])


def damaged_png(tmp):
    data = bytearray(encoded(photo(), "PNG"))
    data[45:60] = bytes(15)
    return write(tmp, bytes(data))


def zero_bytes(tmp):
    return write(tmp, b"")


def text_named_jpg(tmp):
    return write(tmp, b"not an image at all")


def directory(tmp):
    (tmp / "image.jpg").mkdir()
    return tmp / "image.jpg"


def missing_file(tmp):
    return tmp / "image.jpg"


def broken_link(tmp):
    (tmp / "image.jpg").symlink_to(tmp / "nothing")
    return tmp / "image.jpg"


def pipe(tmp):
    os.mkfifo(tmp / "image.jpg")
    return tmp / "image.jpg"


def decompression_bomb(tmp):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return write(tmp, data)


def grey_32_bit_too_large(tmp):
    image = Image.fromarray(np.full((4, 4), 70_000, np.int32))
    return write(tmp, encoded(image, "TIFF"))


def float_tiff_out_of_range(tmp):
    image = Image.fromarray(np.full((4, 4), 17.0, np.float32))
    return write(tmp, encoded(image, "TIFF"))


def closed_pil_image(tmp):
    image = Image.open(write(tmp, encoded(photo(), "PNG")))
    image.close()
    return image


FILE_ERRORS = [
    (truncated_jpeg, "truncated"),
    (truncated_png, "."),
    (damaged_png, "."),
    (zero_bytes, "empty"),
    (text_named_jpg, "is no image"),
    (directory, "directory.*load_image_folder"),
    (missing_file, "no such file"),
    (broken_link, "no such file"),
    (decompression_bomb, "decompression bomb"),
    (grey_32_bit_too_large, "70000.*0 to 65535"),
    (float_tiff_out_of_range, "17.*0 to 1"),
]
if hasattr(os, "mkfifo"):
    FILE_ERRORS.append((pipe, "regular file"))


@pytest.mark.parametrize(
    "case, reason", FILE_ERRORS, ids=[case.__name__ for case, _ in FILE_ERRORS]
)
def test_bad_files(case, reason, tmp_path):
    images = as_images([RGB, RGB, case(tmp_path)])
    with pytest.raises(
        BadImageError, match=rf"(?s)row 2 \(.*image\.jpg.*{reason}"
    ) as e:
        images.item(2)
    assert e.value.row == 2
    assert "on_error='nan'" in str(e.value)


BAD_ITEMS = {
    "float above 1": (RGB.astype(np.float32), "to 255.*0 to 1.*Divide"),
    "float below 0": (GREY / 255 - 0.5, "0 to 1"),
    "float with NaN": (np.full((4, 4), np.nan), "nan.*0 to 1"),
    "float with infinity": (np.full((4, 4), np.inf), "inf.*0 to 1"),
    "two channels": (np.zeros((9, 9, 2), np.uint8), "2 channels.*1 .*3 .*4"),
    "five channels": (np.zeros((9, 9, 5), np.uint8), "5 channels"),
    "channels first": (np.zeros((3, 9, 9), np.uint8), r"transpose\(1, 2, 0\)"),
    "tensor with channels last": (
        torch.zeros(9, 9, 3, dtype=torch.uint8),
        r"permute\(2, 0, 1\)",
    ),
    "no pixels": (np.zeros((0, 9, 3), np.uint8), "no pixels"),
    "one dimension": (np.zeros(9, np.uint8), r"shape \(9,\)"),
    "four dimensions": (np.zeros((1, 9, 9, 3), np.uint8), r"shape \(1, 9, 9, 3\)"),
    "whole numbers above 255": (np.full((4, 4), 300), "300.*0 to 255"),
    "whole numbers below 0": (np.full((4, 4), -1), "-1.*0 to 255"),
    "complex numbers": (np.zeros((4, 4), complex), "complex128"),
    "array of text": (np.full((4, 4), "a"), "<U1"),
    "None": (None, "NoneType"),
    "NaN, as pandas marks what is missing": (float("nan"), "float"),
    "number": (3, "int"),
    "web address": ("https://example.org/a.jpg", "download it first"),
    "path with a null byte": ("a\0b.jpg", "null"),
    "object": (object(), "object"),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_bad_items(name):
    item, reason = BAD_ITEMS[name]
    images = as_images([RGB, item])
    with pytest.raises(BadImageError, match=rf"(?s)row 1.*{reason}") as error:
        images.item(1)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, OSError)


def test_closed_image(tmp_path):
    with pytest.raises(BadImageError, match="row 0"):
        as_images([closed_pil_image(tmp_path)]).item(0)


def test_permission_denied(tmp_path, monkeypatch):
    path = write(tmp_path, encoded(photo(), "PNG"))
    path.chmod(0)
    if os.geteuid() == 0:
        # Nothing is forbidden to the super-user: say what others are told.
        def deny(self):
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr("pathlib.Path.read_bytes", deny)
    with pytest.raises(BadImageError, match=r"row 0 \(.*image.jpg.*permission"):
        as_images([path]).item(0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_are_closed(tmp_path):
    path = write(tmp_path, encoded(photo(), "PNG"))
    bad = write(tmp_path, b"no image", "bad.jpg")
    images = as_images([path, bad] * 5)
    before = len(os.listdir("/proc/self/fd"))
    for row in range(10):
        try:
            images.item(row)
        except BadImageError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before
