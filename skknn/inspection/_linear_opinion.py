"""What a linear classifier says of each training row that it has not seen.

Ridge regression on the classes has its leave-one-out predictions in closed form, so one
factorisation a penalty gives what as many fits as rows would.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
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
# Squared length of rows, in units of the mean one, up to which float32 tells what is
# left of each without itself: a millionth of the prediction at worst.
_SHORT = 4

Rows = NDArray[np.intp]


def linear_opinion(
    rows: NDArray[np.floating],
    codes: NDArray[np.intp],
    n_classes: int,
    groups: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Class probabilities of each row by a ridge regression on all others.

    Penalty and temperature are those of the lowest leave-one-out log loss. Along the
    penalties it has one valley, to which they are walked down from the middle one: on
    photos three or four of the seven are tried.

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
    place = len(_PENALTIES) // 2
    best = _at_best_temperature(ridge.left_out(_PENALTIES[place]), codes)
    for step in (-1, 1):
        moved = False
        while 0 <= place + step < len(_PENALTIES):
            scores = ridge.left_out(_PENALTIES[place + step])
            found = _at_best_temperature(scores, codes)
            if found.loss >= best.loss:
                break
            best, place, moved = found, place + step, True
        if moved:
            break
    proba = best.scores
    for part in blocks_of(len(proba), 8 * n_classes, _BYTES):
        proba[part] = softmax(proba[part] / best.temperature, axis=1)
    return proba


@dataclass(frozen=True, eq=False)
class _Scored:
    """Predictions (n_samples, n_classes), and their lowest log loss."""

    scores: NDArray[np.float64]
    temperature: float
    loss: float


def _at_best_temperature(
    scores: NDArray[np.float64], codes: NDArray[np.intp]
) -> _Scored:
    losses = np.zeros(len(_TEMPERATURES))
    for part in blocks_of(len(scores), 8 * scores.shape[1], _BYTES):
        # How far below the highest: then no power overflows.
        below = scores[part] - scores[part].max(axis=1, keepdims=True)
        own = below[np.arange(len(below)), codes[part]]
        for place, temperature in enumerate(_TEMPERATURES):
            powers = np.exp(below / temperature).sum(axis=1)
            each = np.log(powers) - own / temperature
            losses[place] += np.minimum(each, -np.log(_LOWEST)).sum()
    best = int(losses.argmin())
    return _Scored(scores, _TEMPERATURES[best], float(losses[best]))


class _Ridge:
    """Ridge regression on one-hot classes, whose products are taken once.

    Products of columns, or of rows where these are fewer.

    Parameters
    ----------
    rows, codes, n_classes, groups
        As in :func:`linear_opinion`.
    """

    def __init__(
        self,
        rows: NDArray[np.floating],
        codes: NDArray[np.intp],
        n_classes: int,
        groups: NDArray[np.intp] | None,
    ) -> None:
        n_samples, n_features = rows.shape
        self._rows, self._codes = rows, codes
        self._shares = np.bincount(codes, minlength=n_classes) / n_samples
        self._mean = rows.mean(axis=0, dtype=np.float64)
        self._few = n_samples < n_features
        self._blocks = _blocks(groups, n_samples, 8 * n_features)
        if self._few:
            centred = rows - self._mean
            self._products = centred @ centred.T
            self._targets = self._wanted(np.arange(n_samples))
            longest = float(self._products.diagonal().max())
        else:
            self._products = np.zeros((n_features, n_features))
            self._targets = np.zeros((n_features, n_classes))
            longest = 0.0
            for part, _ in self._blocks:
                centred = rows[part] - self._mean
                self._products += centred.T @ centred
                self._targets += centred.T @ self._wanted(part)
                squares = np.einsum("ij,ij->i", centred, centred)
                longest = max(longest, float(squares.max()))
        # Rows that are all the same have no length.
        self._scale = float(self._products.trace()) / n_samples or 1.0
        short = groups is None and longest <= _SHORT * self._scale
        self._dtype = rows.dtype if short else np.dtype(np.float64)

    def left_out(self, penalty: float) -> NDArray[np.float64]:
        """Predictions of rows, each without itself and its group.

        Parameters
        ----------
        penalty : float
            In units of the rows' mean squared length.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
        """
        penalty *= self._scale
        products = self._products.copy()
        products.flat[:: len(products) + 1] += penalty
        root = cholesky(products, lower=True, overwrite_a=True, check_finite=False)
        solved = solve_triangular(root, self._targets, lower=True, check_finite=False)
        root, solved = root.astype(self._dtype), solved.astype(self._dtype)
        found = np.empty((len(self._codes), len(self._shares)))
        for part, together in self._blocks:
            weights = solve_triangular(
                root, self._sides(part), lower=True, check_finite=False
            )
            wanted = self._wanted(part)
            wrong = self._rest(wanted, weights.T @ solved, penalty)
            squares = np.einsum("ij,ij->j", weights, weights)
            # What a prediction leaves to rows other than its own.
            others = self._rest(1, squares, penalty) - 1 / len(self._codes)
            out = wrong / np.maximum(others, _LEAST)[:, None]
            for group in together:
                out[group] = self._without(weights[:, group], wrong[group], penalty)
            found[part] = wanted - out + self._shares
        return found

    def _without(
        self, weights: NDArray[Any], wrong: NDArray[np.float64], penalty: float
    ) -> NDArray[np.float64]:
        """Residuals of a group that had no part in them."""
        others = self._rest(np.eye(len(wrong)), weights.T @ weights, penalty)
        values, vectors = np.linalg.eigh(others - 1 / len(self._codes))
        return vectors / np.maximum(values, _LEAST) @ (vectors.T @ wrong)

    def _sides(self, part: Rows) -> NDArray[Any]:
        """Right sides of equations, one a column, whose left is the root."""
        if self._few:
            return np.eye(len(self._codes), dtype=self._dtype)[:, part]
        return (self._rows[part] - self._mean).astype(self._dtype).T

    def _rest(self, whole: Any, fitted: NDArray[Any], penalty: float) -> NDArray[Any]:
        """What the fit leaves; solutions of the equations of rows are that already."""
        return penalty * fitted if self._few else whole - fitted

    def _wanted(self, part: Rows) -> NDArray[np.float64]:
        """1 for the class of each row and 0 for others, centred."""
        out = np.tile(-self._shares, (len(part), 1))
        out[np.arange(len(part)), self._codes[part]] += 1
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
