"""The generators everything random comes from, and random linear heads."""

import zlib

import numpy as np
from numpy.typing import NDArray

Head = tuple[NDArray[np.float32], NDArray[np.float32]]


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return a generator for one purpose, independent of all others.

    Parameters
    ----------
    seed : int
    *purpose : str
        Names what is drawn, so that one objective's numbers never depend on which
        others there are.
    """
    words = [seed, *(zlib.crc32(word.encode()) for word in purpose)]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def draw_head(rng: np.random.Generator, n_in: int, n_out: int) -> Head:
    """Draw a linear layer as torch does: uniform within 1 / sqrt(n_in).

    Returns
    -------
    weight : ndarray of shape (n_out, n_in), float32
    bias : ndarray of shape (n_out,), float32
    """
    bound = 1.0 / np.sqrt(n_in)
    weight = rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
    return weight, rng.uniform(-bound, bound, n_out).astype(np.float32)
