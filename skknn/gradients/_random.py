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

    The same bits on every machine and with every version of numpy, so that heads need
    not be stored.

    Returns
    -------
    weight : ndarray of shape (n_out, n_in), float32
    bias : ndarray of shape (n_out,), float32
    """
    bound = 1.0 / np.sqrt(n_in)
    weight = _uniform(rng, bound, n_out * n_in).reshape(n_out, n_in)
    return weight, _uniform(rng, bound, n_out)


def _uniform(rng: np.random.Generator, bound: float, count: int) -> NDArray[np.float32]:
    """Draw numbers within +-bound from the raw bits of a counter-based generator.

    numpy promises to keep its bit generators' streams, not what ``rng.uniform`` makes
    of them; that also rounds otherwise where compilers fuse a product and a sum.
    """
    raw = rng.bit_generator.random_raw(count)
    numbers = (raw >> np.uint64(11)).astype(np.float64)
    numbers *= 2.0**-53
    numbers *= 2 * bound
    numbers -= bound
    return numbers.astype(np.float32)
