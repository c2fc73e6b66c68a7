"""Which positions of an image, or of a stream of images, are kept."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def class_frequency_score(
    labels: sp.csr_array, uniform: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return scores of one image's positions, of which the smallest are kept.

    A position's score is the number of positions of the image that hold each of its
    classes, added up over its classes, times a number drawn from (0, 1): rare classes
    and positions of one class are kept more often.

    Parameters
    ----------
    labels : sparse array of shape (n, n_classes)
    uniform : ndarray of shape (n,)
    """
    holds = labels > 0
    n_holding = np.asarray(holds.sum(axis=0)).ravel()
    return (holds @ n_holding) * uniform


def smallest(scores: NDArray, n: int) -> NDArray[np.intp]:
    """Return the numbers, ascending, of the ``n`` smallest scores; all if fewer."""
    if n >= len(scores):
        return np.arange(len(scores))
    return np.sort(np.argsort(scores, kind="stable")[:n])
