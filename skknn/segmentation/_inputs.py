"""Images or precomputed maps, one feature map after the other."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._augmentation import augmented
from ._bad_images import rows_of_whole

# Images whose maps are there at a time.
_CHUNK = 8


def count(X: Any, name: str) -> int:
    """Return the number of images, maps or masks.

    Raises
    ------
    TypeError
        If ``X`` is no sequence.
    ValueError
        If it is a single path or empty.
    """
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__"):
        value = f"={X!r}" if isinstance(X, (str, os.PathLike)) else ""
        raise TypeError(
            f"{name}{value} is a {type(X).__name__}; a sequence with one entry an "
            "image is needed. Put a single one into a list: "
            f"[{name.removesuffix('s')}]."
        )
    if len(X) == 0:
        raise ValueError(f"{name} is empty; at least one image is needed.")
    return len(X)


def take(X: Any, low: int, high: int) -> Any:
    """Return consecutive entries of a sequence, whatever it is."""
    if hasattr(X, "iloc"):
        return X.iloc[low:high]
    if isinstance(X, (list, tuple)) or hasattr(X, "ndim"):
        return X[low:high]
    return [X[i] for i in range(low, high)]


def entry(X: Any, i: int) -> Any:
    """Return one entry of a sequence, whatever it is."""
    return X.iloc[i] if hasattr(X, "iloc") else X[i]


def feature_maps(
    X: Any, embedder: Any, n_channels: int | None
) -> Iterator[tuple[NDArray[np.float32], tuple[int, int] | None]]:
    """Yield the map (h, w, d) of every image and the image's size.

    Parameters
    ----------
    X : sequence of images, or of maps where ``embedder`` is None
        The size of a map's image is not known: None.
    embedder : fitted transformer or None
    n_channels : int or None
        What d has to be.

    Raises
    ------
    BadImageError
        If an image cannot be read: it names all such rows.
    """
    n = count(X, "images")
    for low in range(0, n, _CHUNK):
        part = take(X, low, min(low + _CHUNK, n))
        maps: Any = part
        sizes: list[tuple[int, int] | None] = [None] * len(part)
        if embedder is not None:
            with rows_of_whole(X, low):
                sizes, maps = _sizes(part), embedder.transform(part)
        for i, size in enumerate(sizes):
            yield checked_map(entry(maps, i), low + i, n_channels), size


def changed_maps(
    X: Any, masks: Any, embedder: Any, seeds: Any
) -> Iterator[tuple[NDArray[np.float32], NDArray]]:
    """Yield maps of augmented images with their masks.

    Parameters
    ----------
    X : sequence of images
    masks : callable
        Number of an image and its (height, width) -> its mask (H, W).
    embedder : fitted transformer
    seeds : callable
        Number of an image -> seed of what is drawn for it.
    """
    from ..modalities import as_images

    n = count(X, "images")
    for low in range(0, n, _CHUNK):
        with rows_of_whole(X, low):
            source = as_images(take(X, low, min(low + _CHUNK, n)))
            pairs = []
            for i in range(len(source)):
                image, rng = source.item(i), np.random.default_rng(seeds(low + i))
                mask = masks(low + i, image.size)
                pairs.append(augmented(image.pil(), mask, rng))
            maps = embedder.transform([image for image, _ in pairs])
        for i, (_, mask) in enumerate(pairs):
            yield checked_map(maps[i], low + i, None), mask


def checked_map(given: Any, number: int, n_channels: int | None) -> NDArray[np.float32]:
    """Return a feature map as float32.

    Raises
    ------
    TypeError
        If it is an image.
    ValueError
        If it is none, is not finite, or has another depth than those of fit.
    """
    array = np.asarray(given)
    if array.dtype == np.uint8 or array.dtype.kind not in "biuf":
        raise TypeError(
            f"Image {number} is an image ({type(given).__name__} of {array.dtype}), no "
            "feature map, which embedder=None takes. Pass embedder=DenseEmbedder(), or "
            "maps of real numbers."
        )
    found = array.astype(np.float32, copy=False)
    if found.ndim != 3 or 0 in found.shape:
        raise ValueError(
            f"The map of image {number} has shape {found.shape}; (height, width, "
            "n_channels) is needed. With embedder=None, images are feature maps: an "
            "array (n, height, width, n_channels) or a list of maps."
        )
    if n_channels is not None and found.shape[2] != n_channels:
        raise ValueError(
            f"The map of image {number} has {found.shape[2]} channels, those of fit "
            f"had {n_channels}. Use the same embedder for both."
        )
    if not np.isfinite(found).all():
        raise ValueError(
            f"The map of image {number} contains NaN or infinity. Leave images that "
            "cannot be read out, with their masks: skknn.datasets.drop_unreadable."
        )
    return found


def _sizes(part: Any) -> list[tuple[int, int] | None]:
    from ..modalities import as_images

    source = as_images(part)
    return [source.item(i).size for i in range(len(source))]
