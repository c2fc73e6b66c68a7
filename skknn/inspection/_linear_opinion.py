"""What a linear classifier says of each training row that it has not seen.

Ridge regression on the classes has its leave-one-out predictions in closed form, so one
decomposition gives what as many fits as rows would, for every strength of the penalty.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ..utils._slices import blocks_of

# Strengths of the penalty in units of the rows' mean squared length, and temperatures
# at which predictions, near 1 for the class and near 0 for others, become
# probabilities.
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5)
# A wrong label has a low probability, and should not be what the choice is about.
_LOWEST = 1e-3
# Of a row that decides alone on its prediction, nothing is left without it.
_LEAST = 1e-9
_BYTES = 1 << 25  # of rows at a time

Rows = NDArray[np.intp]


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
    for part, all_scores in ridge.left_out(_PENALTIES):
        own = np.arange(len(part)), codes[part]
        for number, scores in enumerate(all_scores):
            for place, temperature in enumerate(_TEMPERATURES):
                proba = softmax(scores / temperature, axis=1)[own]
                losses[number, place] -= np.log(np.maximum(proba, _LOWEST)).sum()
    best = np.unravel_index(losses.argmin(), losses.shape)
    penalty, temperature = _PENALTIES[best[0]], _TEMPERATURES[best[1]]
    proba = np.empty((len(codes), n_classes))
    for part, (scores,) in ridge.left_out([penalty]):
        proba[part] = softmax(scores / temperature, axis=1)
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
        self.rows, self.codes = rows, codes
        self.shares = np.bincount(codes, minlength=n_classes) / n_samples
        self.mean = rows.mean(axis=0, dtype=np.float64)
        self.blocks = _blocks(groups, n_samples, 8 * n_features)
        if n_features > n_samples:
            centred = rows - self.mean
            gram = centred @ centred.T
        else:
            gram = np.zeros((n_features, n_features))
            for part, _ in self.blocks:
                centred = rows[part] - self.mean
                gram += centred.T @ centred
        squares, vectors = np.linalg.eigh(gram)
        kept = squares > squares[-1] * len(gram) * np.finfo(np.float64).eps
        self.squares, vectors = squares[kept], vectors[:, kept]
        self.scale = float(self.squares.sum()) / n_samples
        # Left singular vectors of the centred rows, or what makes them of the rows.
        self.left = vectors if n_features > n_samples else None
        self.right = None if self.left is not None else vectors / np.sqrt(self.squares)
        self.targets = np.zeros((len(self.squares), n_classes))
        for part, _ in self.blocks:
            self.targets += self._singular(part).T @ self._wanted(part)

    def left_out(
        self, penalties: Sequence[float]
    ) -> Iterator[tuple[Rows, list[NDArray[np.float64]]]]:
        """Predictions of rows, each without itself and its group, block by block.

        Yields row numbers, and (n_rows, n_classes) for each penalty.
        """
        for part, together in self.blocks:
            left, wanted = self._singular(part), self._wanted(part)
            found = []
            for penalty in penalties:
                shrunk = self.squares / (self.squares + penalty * self.scale)
                wrong = wanted - left @ (shrunk[:, None] * self.targets)
                # Share of its own target in each prediction.
                own = np.square(left) @ shrunk + 1 / len(self.codes)
                out = wrong / np.maximum(1 - own, _LEAST)[:, None]
                for group in together:
                    out[group] = self._without(left[group], shrunk, wrong[group])
                found.append(wanted - out + self.shares)
            yield part, found

    def _without(
        self,
        left: NDArray[np.float64],
        shrunk: NDArray[np.float64],
        wrong: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Residuals of a group that had no part in them."""
        hat = (left * shrunk) @ left.T + 1 / len(self.codes)
        values, vectors = np.linalg.eigh(np.eye(len(hat)) - hat)
        return vectors / np.maximum(values, _LEAST) @ (vectors.T @ wrong)

    def _singular(self, part: Rows) -> NDArray[np.float64]:
        if self.left is not None:
            return self.left[part]
        return (self.rows[part] - self.mean) @ self.right

    def _wanted(self, part: Rows) -> NDArray[np.float64]:
        """1 for the class of each row and 0 for others, centred."""
        out = np.tile(-self.shares, (len(part), 1))
        out[np.arange(len(part)), self.codes[part]] += 1
        return out


def _blocks(
    groups: NDArray[np.intp] | None, n_samples: int, row_size: int
) -> list[tuple[Rows, list[slice]]]:
    """Rows a block, and in each the slices of groups of several rows."""
    if groups is None:
        numbers = np.arange(n_samples)
        return [(numbers[part], []) for part in blocks_of(n_samples, row_size, _BYTES)]
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    blocks: list[tuple[Rows, list[slice]]] = []
    kept: list[Rows] = []
    for group in np.split(order, edges):
        if kept and (sum(map(len, kept)) + len(group)) * row_size > _BYTES:
            blocks.append(_bundle(kept))
            kept = []
        kept.append(group)
    return [*blocks, _bundle(kept)]


def _bundle(groups: list[Rows]) -> tuple[Rows, list[slice]]:
    stops = np.cumsum([len(group) for group in groups]).tolist()
    slices = [slice(stop - len(g), stop) for stop, g in zip(stops, groups)]
    return np.concatenate(groups), [s for s in slices if s.stop - s.start > 1]
