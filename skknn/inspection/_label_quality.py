"""How well each row's label fits what all other rows say of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

_BYTES = 1 << 24  # of probabilities at a time


@dataclass(frozen=True)
class LabelQuality:
    """What was found of each label.

    Attributes
    ----------
    quality : ndarray of shape (n_samples,), float64
        Probability of the label.
    suggested : ndarray of shape (n_samples,), intp
        The most probable other class.
    suggested_proba : ndarray of shape (n_samples,), float64
    suspect : ndarray of shape (n_samples,), bool
    """

    quality: NDArray[np.float64]
    suggested: NDArray[np.intp]
    suggested_proba: NDArray[np.float64]
    suspect: NDArray[np.bool_]


def judge_labels(proba: NDArray[np.float64], codes: NDArray[np.intp]) -> LabelQuality:
    """Compare labels with probabilities that do not know them.

    A label is suspect if another class is likelier for its row than that class is, in
    the mean, for rows that carry it: a class that is hard to tell asks for less.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Of each row without itself.
    codes : ndarray of shape (n_samples,), int
        Class number of each row's label.

    Returns
    -------
    LabelQuality
    """
    n_samples, n_classes = proba.shape
    quality = proba[np.arange(n_samples), codes]
    suggested = np.empty(n_samples, dtype=np.intp)
    for part in blocks_of(n_samples, 8 * n_classes, _BYTES):
        others = proba[part].copy()
        others[np.arange(len(others)), codes[part]] = -1
        suggested[part] = others.argmax(axis=1)
    suggested_proba = proba[np.arange(n_samples), suggested]
    rows = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    usual = np.bincount(codes, quality, minlength=n_classes) / rows
    suspect = (suggested_proba > quality) & (suggested_proba >= usual[suggested])
    return LabelQuality(quality, suggested, suggested_proba, suspect)
