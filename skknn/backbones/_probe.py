"""What a backbone answers to a few fixed pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..utils._behaviour import N_QUESTIONS

# Largest difference in a row of features between processors, relative to the row's
# largest value (tests/attacks/test_other_processors.py measures it), by precision.
ROUNDING = {"float32": 1e-4, "bf16": 5e-2}
# Numbers that stand for a row where little may be kept.
_SKETCHED = 32
# Length above which rows (maps) are folded before they are kept or sketched.
_LONG = 2**16


def pictures(size: tuple[int, int], n: int = N_QUESTIONS) -> list[Image.Image]:
    """Return the first fixed RGB pictures of a size (height, width).

    Noise, waves of colour, and blurred spots that reach black and white: fine, smooth
    and coarse, so that few parts of a network have nothing to say.
    """
    height, width = size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    y, x = np.mgrid[0 : 2 * np.pi : height * 1j, 0 : 3 * np.pi : width * 1j]
    waves = np.stack([np.sin(x + y), np.cos(2 * x - y), np.sin(y) * np.cos(x)], -1)
    spots = rng.choice([0, 255], (6, 7, 3)).astype(np.uint8)
    blurred = Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC)
    smooth = Image.fromarray((127.5 + 127.5 * waves).round().astype(np.uint8))
    return [Image.fromarray(noise), smooth, blurred][:n]


def mixed_picture(size: tuple[int, int]) -> Image.Image:
    """Return one picture of a third of each of :func:`pictures`."""
    height, width = size
    picture, *others = pictures(size)
    for i, other in enumerate(others, 1):
        top = i * height // N_QUESTIONS
        picture.paste(other.crop((0, top, width, height)), (0, top))
    return picture


def sketch(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a few numbers whose relative error is about that of a whole row."""
    row = folded(row)
    signs = np.random.default_rng(len(row)).choice([-1.0, 1.0], (_SKETCHED, len(row)))
    return (signs @ row.astype(np.float64)).astype(np.float32)


def folded(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a row, or of a long one sums of numbers far apart, with random signs."""
    if len(row) <= _LONG:
        return row
    signs = np.random.default_rng(len(row)).choice([-1.0, 1.0], len(row))
    padded = np.zeros(-(-len(row) // _LONG) * _LONG)
    padded[: len(row)] = signs * row
    return padded.reshape(-1, _LONG).sum(axis=0).astype(np.float32)


def same_sketch(
    one: NDArray[np.float32], other: NDArray[np.float32], tolerance: float
) -> bool:
    """Tell whether sketches are of the same row, as far as rounding lets one say."""
    if one.shape != other.shape:
        return False
    if not np.isfinite(one).all():
        return bool(np.array_equal(np.isfinite(one), np.isfinite(other)))
    error = np.linalg.norm(one.astype(np.float64) - other)
    return bool(error <= tolerance * np.linalg.norm(one.astype(np.float64)))
