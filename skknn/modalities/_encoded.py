"""The bytes of an image file -> an opened, not yet decoded PIL image, or what they are.

Pillow recognises most formats by itself. Some it learns from packages: they are used
when they are installed, and named when they are not.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from ..utils._optional import pip_install

_REMEDY_TOO_LARGE = (
    "Make it smaller, or set PIL.Image.MAX_IMAGE_PIXELS to a larger number if you "
    "trust it"
)


@dataclass(frozen=True)
class _Plugin:
    """A format that Pillow learns from another package.

    Attributes
    ----------
    name : str
        What the format is called.
    recognises : callable
        Whether the first bytes of a file are those of the format.
    module, install : str
        What is imported, and the command that installs it.
    register : callable
        Makes Pillow read the format; gets the module.
    """

    name: str
    recognises: Callable[[bytes], bool]
    module: str
    install: str
    register: Callable[[Any], None]


def _brand_in(*brands: bytes) -> Callable[[bytes], bool]:
    """Recognise an ISO media file (HEIF, AVIF) by its major brand."""
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def _by_import(module: Any) -> None:
    """Register nothing: importing the package did."""


_PLUGINS = (
    _Plugin(
        "a HEIC or HEIF image",
        _brand_in(
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"
        ),
        "pillow_heif",
        pip_install("heif"),
        lambda module: module.register_heif_opener(),
    ),
    _Plugin(
        "an AVIF image",
        _brand_in(b"avif", b"avis"),
        "pillow_avif",
        "pip install 'pillow>=11.3'",
        _by_import,
    ),
    _Plugin(
        "a JPEG XL image",
        lambda head: head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")),
        "pillow_jxl",
        "pip install 'pillow-jxl-plugin'",
        _by_import,
    ),
)

# What is often found under an image's name: its first bytes, and what to do.
_NO_IMAGES = (
    (b"%PDF", "it is a PDF document: save its pages as images"),
    (b"<svg", "it is an SVG drawing: save it as PNG"),
    (b"<?xml", "it is an XML file, perhaps an SVG drawing: save it as PNG"),
    (b"<!DOCTYPE", "it is a web page, perhaps of a failed download"),
    (b"<html", "it is a web page, perhaps of a failed download"),
    (b"version https://git-lfs", "it is a Git LFS pointer: fetch it with git lfs pull"),
)

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_encoded(data: bytes) -> Image.Image:
    """Open the bytes of an image file without decoding them.

    Raises
    ------
    ValueError
        If Pillow cannot read them, saying what they are as far as that is known, or if
        there are more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.
    """
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    try:
        image = _opened(data)
    except UnidentifiedImageError:
        raise ValueError(_what_it_is(data)) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{error} {_REMEDY_TOO_LARGE}") from None
    check_size(image)
    return image


def check_size(image: Image.Image) -> None:
    """Refuse a picture without pixels, and a file with too many, before decoding it.

    Pillow itself warns above ``MAX_IMAGE_PIXELS`` and refuses twice as many.
    """
    if image.width < 1 or image.height < 1:
        raise ValueError(f"the image has no pixels (size {image.size})")
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or not isinstance(image, ImageFile.ImageFile):
        return
    if image.width * image.height > limit:
        raise ValueError(
            f"it has {image.width} x {image.height} pixels, more than {limit}, and may "
            f"be a decompression bomb. {_REMEDY_TOO_LARGE}"
        )


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        plugin = _plugin_for(data)
        if plugin is None:
            raise
        try:
            plugin.register(import_module(plugin.module))
        except ImportError:
            raise ValueError(
                f"it is {plugin.name}, which Pillow cannot read by itself: "
                f"{plugin.install} and try again, or convert it to JPEG or PNG"
            ) from None
        return Image.open(io.BytesIO(data))


def _plugin_for(data: bytes) -> _Plugin | None:
    head = data[:32]
    return next((plugin for plugin in _PLUGINS if plugin.recognises(head)), None)


def _what_it_is(data: bytes) -> str:
    """Say what a file is that Pillow does not recognise."""
    plugin = _plugin_for(data)
    if plugin is not None:
        return f"it is {plugin.name}, but damaged or of an unknown kind"
    if data.startswith(_TIFF):
        return _what_tiff(data)
    start = data[:64].lstrip(b"\xef\xbb\xbf \r\n\t")
    for first, what in _NO_IMAGES:
        if start[: len(first)].lower() == first.lower():
            return what
    return "it is no image, or damaged at its beginning"


def _what_tiff(data: bytes) -> str:
    """Say which kind of TIFF it is that Pillow cannot read."""
    try:
        big = data[2:3] == b"+"
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if big else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        tags[256]  # every picture has a width
        n_channels = int(tags.get(277, 1))
        bits = tags.get(258, (1,))[0]
        kind = {2: "signed whole numbers", 3: "floats"}.get(
            tags.get(339, (1,))[0], "whole numbers"
        )
    except Exception:  # a damaged file raises errors of any kind
        return "it is a TIFF, but damaged at its beginning"
    return (
        f"it is a TIFF with {n_channels} channel{'s' * (n_channels > 1)} of {bits}-bit "
        f"{kind}, which Pillow cannot read. Read it with tifffile, choose and scale "
        "its channels, and pass arrays (height, width, 1, 3 or 4) in place of files"
    )
