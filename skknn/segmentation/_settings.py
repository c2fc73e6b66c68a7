"""Checks of what a fitted segmenter is asked for."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

# What to do about a parameter that has no allowed value.
REMEDIES = {
    "embedder": "Pass a transformer that gives feature maps, such as DenseEmbedder(), "
    "or None where images are maps already.",
    "n_neighbors": "Use a number of voting rows, such as 30.",
    "tau": "Use a positive temperature of cosines, such as 0.02; inf gives all "
    "neighbours the same weight.",
    "max_patches": "Use the largest number of rows that the bank may have, or None to "
    "keep all.",
    "n_augmentations": "Use 0 for images as they are, or a number of passes over "
    "changed ones.",
    "ignore_index": "Use the label of void pixels, such as 255, or None where there is "
    "none.",
    "preprocessing": "'l2' is the published way, 'l2-center' subtracts the bank's "
    "mean.",
    "similarity": "'auto' asks the embedder, 'cosine' takes maps as rows; widths such "
    "as (768, 384, 384) says that maps hold gradients as pairs.",
    "algorithm": "Use 'auto' unless you need one engine by name, or pass an object "
    "such as sklearn.neighbors.NearestNeighbors().",
}


def checked_k(n_neighbors: Any) -> int:
    """Return a number of neighbours."""
    if not isinstance(n_neighbors, Integral) or n_neighbors < 1:
        raise ValueError(f"n_neighbors={n_neighbors!r} must be a positive integer.")
    return int(n_neighbors)


def checked_tau(tau: Any) -> float:
    """Return a temperature."""
    if not isinstance(tau, Real) or not float(tau) > 0:
        raise ValueError(
            f"tau={tau!r} must be a number above 0; inf gives all neighbours the same "
            "weight."
        )
    return float(tau)


def checked_list(values: Any, name: str) -> list[Any]:
    """Return the values of one parameter that are tried."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ValueError(
            f"{name}={values!r} must be a sequence of the values to try, such as "
            f"[{values!r}]."
        )
    found = list(values)
    if not found:
        raise ValueError(f"{name}={values!r} must have at least one value to try.")
    return found


def checked_sizes(sizes: Any, n_images: int) -> list[tuple[int, int]]:
    """Return heights and widths, one pair an image."""
    if not hasattr(sizes, "__len__") or len(sizes) != n_images:
        n = f"{len(sizes)} entries" if hasattr(sizes, "__len__") else repr(sizes)
        raise ValueError(
            f"sizes has {n} for {n_images} images; one (height, width) an image is "
            "needed."
        )
    return [_checked_size(size, number) for number, size in enumerate(sizes)]


def _checked_size(size: Any, number: int) -> tuple[int, int]:
    sides: Sequence[Any] = tuple(size) if hasattr(size, "__iter__") else ()
    if len(sides) != 2 or not all(
        isinstance(s, Integral) and int(s) > 0 for s in sides
    ):
        raise ValueError(
            f"sizes[{number}]={size!r} must be (height, width) in pixels: two positive "
            "integers."
        )
    return int(sides[0]), int(sides[1])
