"""Generators that depend on an item's content and a seed, and on nothing else."""

import hashlib

import numpy as np


def content_generator(content: bytes, seed: int) -> np.random.Generator:
    """Return the generator of an item's views.

    So views are the same wherever the item stands, and whatever stands beside it.

    Parameters
    ----------
    content : bytes
    seed : int
        Not negative.
    """
    key = hashlib.blake2b(content, digest_size=16, person=b"views").digest()
    words = [seed, *np.frombuffer(key, dtype="<u4").tolist()]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
