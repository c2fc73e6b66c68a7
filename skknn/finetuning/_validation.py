"""Rows that are held out, how well they are told apart, and when to stop."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from ..modalities import ItemSource

_EPS = 1e-15


@dataclass(frozen=True)
class HeldOut:
    """Images that nothing is learnt from.

    Attributes
    ----------
    items : ItemSource
    codes : ndarray of shape (n,), intp
        Class number of each.
    """

    items: ItemSource
    codes: NDArray[np.intp]

    def scores(self, proba: NDArray[Any]) -> dict[str, float]:
        """Return log loss and accuracy of class probabilities (n, n_classes)."""
        own = proba[np.arange(len(proba)), self.codes].astype(np.float64)
        return {
            "validation_loss": float(-np.log(np.maximum(own, _EPS)).mean()),
            "validation_accuracy": float((proba.argmax(1) == self.codes).mean()),
        }


def hold_out(
    codes: NDArray[np.intp], fraction: float | None, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw rows of every class that are held out.

    Parameters
    ----------
    codes : ndarray of shape (n,), intp
    fraction : float or None
    seed : int

    Returns
    -------
    training, held_out : ndarray of intp
        Sorted row numbers.

    Raises
    ------
    ValueError
        If a class has too few rows.
    """
    rows = np.arange(len(codes))
    if fraction is None:
        return rows, rows[:0]
    try:
        training, held_out = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=codes
        )
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={fraction} cannot be drawn from every class: {error} "
            "Use another fraction, more rows of the small classes, or None."
        ) from error
    return np.sort(training), np.sort(held_out)


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the place of the lowest validation loss, the first of equal ones."""
    return int(np.argmin([epoch["validation_loss"] for epoch in history]))


def is_over(history: list[dict[str, float]], patience: int | None) -> bool:
    """Whether the validation loss has not fallen for ``patience`` epochs."""
    if patience is None or not history:
        return False
    return len(history) - 1 - best_epoch(history) >= patience
