"""How well each row's label fits what all other rows say of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ..utils._slices import blocks_of

_BYTES = 1 << 24  # of probabilities at a time
# Added to probabilities: votes of few rows are often 0, which must not decide alone.
_LINEAR_FLOOR, _VOTES_FLOOR = 1e-4, 1e-3
# Shares of the linear side that "auto" tries; of equal ones the largest, which was the
# better one on most photo sets, wins.
_SHARES = (1.0, 0.9, 0.75, 0.5, 0.25, 0.0)
# How many times likelier than a label another class is, for the label to be suspect.
# Of planted mistakes on photos 0.72 to 0.98 are then among the suspects.
_ODDS = 10


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


def pool_opinions(
    linear: NDArray[np.float64],
    votes: NDArray[np.float64],
    codes: NDArray[np.intp],
    share: float | str,
) -> tuple[NDArray[np.float64], float]:
    """Probabilities in proportion to ``linear ** share * votes ** (1 - share)``.

    A class is likely if both find it so; in the mean of both, one word would do.

    Parameters
    ----------
    linear, votes : ndarray of shape (n_samples, n_classes)
        Of each row without itself.
    codes : ndarray of shape (n_samples,), int
        Class number of each row's label.
    share : float or "auto"
        ``"auto"`` is the share, of six, with which most rows are taken for what their
        labels say; on photos with planted mistakes that ranks them better than the
        lowest log loss does.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes), float64
    share : float
    """
    if isinstance(share, str):
        right = [
            sum(
                int(np.count_nonzero(proba.argmax(axis=1) == codes[part]))
                for part, proba in _pooled(linear, votes, each)
            )
            for each in _SHARES
        ]
        share = _SHARES[right.index(max(right))]
    pooled = np.empty(linear.shape)
    for part, proba in _pooled(linear, votes, share):
        pooled[part] = proba
    return pooled, share


def _pooled(
    linear: NDArray[np.float64], votes: NDArray[np.float64], share: float
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Blocks of pooled rows; one side alone is left as it is."""
    for part in blocks_of(len(votes), 8 * votes.shape[1], _BYTES):
        if share in (0, 1):
            yield part, linear[part] if share else votes[part]
            continue
        both = share * np.log(linear[part] + _LINEAR_FLOOR)
        both += (1 - share) * np.log(votes[part] + _VOTES_FLOOR)
        yield part, softmax(both, axis=1)


def judge_labels(proba: NDArray[np.float64], codes: NDArray[np.intp]) -> LabelQuality:
    """Compare labels with probabilities that do not know them.

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
    rows = np.arange(len(proba))
    quality = proba[rows, codes]
    suggested = np.empty(len(proba), dtype=np.intp)
    for part in blocks_of(len(proba), 8 * proba.shape[1], _BYTES):
        others = proba[part].copy()
        others[np.arange(len(others)), codes[part]] = -1
        suggested[part] = others.argmax(axis=1)
    suggested_proba = proba[rows, suggested]
    suspect = suggested_proba > _ODDS * quality
    return LabelQuality(quality, suggested, suggested_proba, suspect)
