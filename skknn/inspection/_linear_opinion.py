"""What a linear classifier says of each training row that it has not seen.

Ridge regression on the classes has its leave-one-out predictions in closed form, so one
decomposition gives what hundreds of fits would, for every strength of the penalty.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import blocks_of

# Strengths of the penalty in units of the rows' mean squared length, and temperatures
# at which predictions, near 1 for the class and near 0 for others, become
# probabilities. Ends are seldom chosen on photos (benchmarks/label_audit.py).
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_TEMPERATURES = (0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5)
# A wrong label has a low probability, and should not be what the choice is about.
_LOWEST = 1e-3
_BYTES = 1 << 24  # of rows at a time


def linear_opinion(
    rows: NDArray[np.floating],
    codes: NDArray[np.intp],
    n_classes: int,
    groups: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Class probabilities of each row by a ridge regression on all others.

    Penalty and temperature are those of the lowest leave-one-out log loss.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples,), int
        Class number of each row.
    n_classes : int
    groups : ndarray of shape (n_samples,), int, or None
        Numbers of groups; a row is predicted without all of its own.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float64
    """
    ridge = _Ridge(rows, codes, n_classes, groups)
    losses = np.zeros((len(_PENALTIES), len(_TEMPERATURES)))
    for number, penalty in enumerate(_PENALTIES):
        for part, scores in ridge.left_out(penalty):
            own = np.arange(len(scores)), codes[part]
            for place, temperature in enumerate(_TEMPERATURES):
                proba = _softmax(scores / temperature)[own]
                losses[number, place] -= np.log(np.maximum(proba, _LOWEST)).sum()
    best = np.unravel_index(losses.argmin(), losses.shape)
    proba = np.empty((len(codes), n_classes))
    for part, scores in ridge.left_out(_PENALTIES[best[0]]):
        proba[part] = _softmax(scores / _TEMPERATURES[best[1]])
    return proba


class _Ridge:
    """Ridge regression on one-hot classes, decomposed once for all penalties."""

    def __init__(
        self,
        rows: NDArray[np.floating],
        codes: NDArray[np.intp],
        n_classes: int,
        groups: NDArray[np.intp] | None,
    ) -> None:
        n_samples, n_features = rows.shape
        self.codes = codes
        self.shares = np.bincount(codes, minlength=n_classes) / n_samples
        self.mean = rows.mean(axis=0, dtype=np.float64)
        self.rows = rows
        wide = n_features > n_samples
        size = min(n_features, n_samples)
        gram = np.zeros((size, size))
        if wide:
            centred = rows - self.mean
            gram = centred @ centred.T
        else:
            for part in self._blocks():
                centred = rows[part] - self.mean
                gram += centred.T @ centred
        squares, vectors = np.linalg.eigh(gram)
        kept = squares > squares[-1] * size * np.finfo(np.float64).eps
        self.squares, vectors = squares[kept], vectors[:, kept]
        self.scale = float(self.squares.sum()) / n_samples
        # Left singular vectors of the centred rows, or what makes them of rows.
        self.left = vectors if wide else None
        self.right = None if wide else vectors / np.sqrt(self.squares)
        self.targets = np.zeros((len(self.squares), n_classes))
        for part in self._blocks():
            self.targets += self._left(part).T @ self._one_hot(part)
        self.groups = None if groups is None else _members(groups)

    def left_out(
        self, penalty: float
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Predictions of rows, each without itself and its group, block by block."""
        shrunk = self.squares / (self.squares + penalty * self.scale)
        blocks = self._blocks() if self.groups is None else self.groups
        for part in blocks:
            left = self._left(part)
            wanted = self._one_hot(part)
            wrong = wanted - left @ (shrunk[:, None] * self.targets)
            if self.groups is None:
                share = np.square(left) @ shrunk + 1 / len(self.codes)
                wrong /= np.maximum(1 - share, 1e-9)[:, None]
            else:
                share = (left * shrunk) @ left.T + 1 / len(self.codes)
                wrong = np.linalg.lstsq(np.eye(len(share)) - share, wrong, rcond=None)[
                    0
                ]
            yield part, wanted - wrong + self.shares

    def _blocks(self) -> Iterator[NDArray[np.intp]]:
        numbers = np.arange(len(self.codes))
        for part in blocks_of(len(numbers), 8 * self.rows.shape[1], _BYTES):
            yield numbers[part]

    def _left(self, part: NDArray[np.intp]) -> NDArray[np.float64]:
        if self.left is not None:
            return self.left[part]
        return (self.rows[part] - self.mean) @ self.right

    def _one_hot(self, part: NDArray[np.intp]) -> NDArray[np.float64]:
        """Class of each row as a column of ones, centred."""
        out = np.tile(-self.shares, (len(part), 1))
        out[np.arange(len(part)), self.codes[part]] += 1
        return out


def _members(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Rows of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
