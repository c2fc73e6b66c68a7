"""Pairs of rows that are nearly the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._same_pictures import SmallPictures

# The neighbour whose distance is the usual one of a row: farther than its copies are,
# unless there are as many.
_USUAL = 10
# Similarity from which on rows need no picture to be copies.
_SAME_ROWS = 0.99
# Correlation of pictures that are the same whatever rows say, and that of pictures, or
# parts of them, which is enough where rows say so. Of 1,332 photos as they are no two
# had the first.
_SAME_PICTURES, _LIKE_PICTURES = 0.99, 0.9


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, most alike first; ``first`` is the lower row of each.

    Attributes
    ----------
    first, second : ndarray of shape (n_pairs,), intp
    similarity : ndarray of shape (n_pairs,), float64
    same_picture : ndarray of shape (n_pairs,), bool
        False where nobody looked.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    similarity: NDArray[np.float64]
    same_picture: NDArray[np.bool_]


def near_duplicates(
    distances: NDArray[np.float64],
    ids: NDArray[np.intp],
    typical: float,
    ratio: float,
    images: Sequence[Any] | None = None,
    n_jobs: int | None = None,
) -> Pairs:
    """Pairs of rows much nearer to each other than either is to others, each once.

    Photos of few classes are all more alike than those of many, and copies in another
    format farther apart than in the same one: so there is no one distance for all.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, k)
        Squared distances of each row's nearest rows.
    ids : ndarray of shape (n_samples, k), int
    typical : float
        Squared distance between two rows drawn at random.
    ratio : float
        Most distance of copies, in units of that to the tenth nearest row, of both.
    images : sequence of path, PIL image or array, or None
        One a row. Then pictures of all pairs of neighbours are compared: the same ones
        are copies, and near rows with other pictures are none.
    n_jobs : int or None
        Threads that read images.

    Returns
    -------
    Pairs
        Similarities are 1 - distance / typical: for rows of length 1 around 0, their
        cosine.
    """
    usual = distances[:, min(_USUAL, distances.shape[1]) - 1]
    near = distances <= ratio * np.minimum(usual[:, None], usual[ids])
    rows, places = np.nonzero(near if images is None else np.ones_like(near))
    others = ids[rows, places]
    pairs = np.column_stack([np.minimum(rows, others), np.maximum(rows, others)])
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    rows, places = rows[first], places[first]
    values = 1 - distances[rows, places] / (typical or 1.0)
    same = np.zeros(len(pairs), dtype=bool)
    if images is not None:
        pictures = SmallPictures(images, np.unique(pairs), n_jobs)
        same = pictures.alike(pairs[:, 0], pairs[:, 1]) >= _SAME_PICTURES
        kept = _confirmed(pairs, near[rows, places], values, same, pictures)
        pairs, values, same = pairs[kept], values[kept], same[kept]
    order = np.argsort(-values, kind="stable")
    return Pairs(pairs[order, 0], pairs[order, 1], values[order], same[order])


def _confirmed(
    pairs: NDArray[np.intp],
    near: NDArray[np.bool_],
    similarity: NDArray[np.float64],
    same_picture: NDArray[np.bool_],
    pictures: SmallPictures,
) -> NDArray[np.bool_]:
    """Which pairs are copies by their pictures, too."""
    kept = same_picture | (near & (similarity >= _SAME_ROWS))
    open_ = np.flatnonzero(near & ~kept)
    alike = pictures.alike_cropped(pairs[open_, 0], pairs[open_, 1])
    kept[open_] = alike >= _LIKE_PICTURES
    return kept
