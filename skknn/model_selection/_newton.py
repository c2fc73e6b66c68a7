"""Logistic regressions on the same rows for many weight vectors.

The solver behind warm starts. L-BFGS profits little from a start that is almost right:
it learns the curvature anew, and on float32 rows its line search stalls on the rounding
of the loss. Newton's method with conjugate gradients stops by gradients alone, and its
preconditioner serves all weight vectors.
"""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.floating]

_MAX_STEPS, _MAX_PRODUCTS = 12, 60
# Conjugate gradients reduce a residual this far before the curvature is taken anew.
_FORCING = 0.02
# Solutions kept to start from: those for all k and alpha at the temperature before.
_KEPT, _KEPT_BYTES = 64, 1 << 25


class LogisticPath:
    """Solve for many weight vectors, all near the one that is solved first.

    The objective is scikit-learn's: the weighted sum of log losses plus
    ``|coef|^2 / (2 C)``, without a penalty on intercepts.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64 or float32
    codes : ndarray of shape (n_samples,), int
        Class numbers.
    coef : ndarray of shape (n_outputs, n_features), float
    intercept : ndarray of shape (n_outputs,), float
        Approximate solution for ``weights``; one output for two classes.
    weights : ndarray of shape (n_samples,), float64
    C : float
    fit_intercept : bool
    tol : float
        Largest entry of the gradient of the mean loss at the first solution.

    Attributes
    ----------
    n_products_ : int
        Pairs of matrix products with ``X`` so far.
    """

    def __init__(
        self,
        X: Floats,
        codes: NDArray[np.integer],
        coef: Floats,
        intercept: Floats,
        weights: NDArray[np.float64],
        *,
        C: float,
        fit_intercept: bool,
        tol: float,
    ) -> None:
        self._X, self._codes = X, codes
        self._penalty, self._fit_intercept = 1 / C, fit_intercept
        self.n_products_ = 0
        # A row an output: its coefficients, then its intercept.
        theta = np.column_stack([coef, intercept]).astype(np.float64)
        self._prepare(theta, weights)
        closer, _ = self._newton(theta, weights, tol / 10)
        self._start, self._weights = theta if closer is None else closer, weights
        residual, _ = self._residuals(self._start)
        # How much a row's weight moves the gradient at the start.
        self._pull = np.sqrt(_row_dots(residual, residual) * _row_dots(X, X))[:, 0]
        size = max(1, min(_KEPT, _KEPT_BYTES // (4 * (theta.size + len(X)))))
        self._solved: deque[tuple[Floats, Any, Floats]] = deque(maxlen=size)

    def solve(
        self, weights: NDArray[np.float64], tol: float
    ) -> tuple[Floats | None, Floats | None, int]:
        """Solution for these weights.

        Parameters
        ----------
        weights : ndarray of shape (n_samples,), float64
        tol : float
            Largest entry of the gradient of the mean loss there.

        Returns
        -------
        coef : ndarray of shape (n_outputs, n_features), dtype of ``X``, or None
            None if the method did not get there.
        intercept : ndarray of shape (n_outputs,)
        n_steps : int
        """
        change = (self._pull * (weights - self._weights)).astype(np.float32)
        theta, n_steps = self._newton(self._predict(change), weights, tol)
        if theta is None:
            theta, n_steps = self._newton(self._start, weights, tol)
        if theta is None:
            return None, None, n_steps
        move = (theta - self._start).astype(np.float32)
        self._solved.append((change, np.vdot(change, change), move))
        theta = theta.astype(self._X.dtype)
        return theta[:, :-1].copy(), theta[:, -1].copy(), n_steps

    def _predict(self, change: Floats) -> Floats:
        """Where the most similar weights of those before, rescaled, ended.

        To first order a solution moves in proportion to the weights.
        """
        square = np.vdot(change, change)
        best: Any = 1.0
        start = self._start
        for earlier, earlier_square, move in self._solved:
            product = np.vdot(earlier, change)
            if not product > 0:
                continue
            share = product / earlier_square
            # What is left unexplained, and less trust the longer the rescaling.
            left = np.sqrt(max(0.0, 1 - share * product / square))
            score = left + 0.05 * abs(np.log(share))
            if score < best:
                best, start = score, self._start + share * move
        return start

    # Where rounding lets steps grow without end, the next gradient is not finite.
    @np.errstate(over="ignore", invalid="ignore")
    def _newton(
        self, theta: Floats, weights: NDArray[np.float64], tol: float
    ) -> tuple[Floats | None, int]:
        """Newton's method from ``theta``; None where it does not converge."""
        limit = tol * weights.sum()
        before = np.inf
        for step in range(_MAX_STEPS):
            residual, proba = self._residuals(theta)
            gradient = self._products(residual, weights) + self._penalized(theta)
            size = np.abs(gradient).max()
            if size <= limit:
                return theta, step
            # Close to the end, a gradient that no longer falls is one of rounding.
            rounding = self._X.dtype == np.float32 and before / 2 < size
            if rounding and size < 100 * limit:
                return theta, step
            if not size < 4 * before:
                break
            before = size
            theta = theta + self._newton_step(gradient, proba, weights, limit)
        return None, step

    def _newton_step(
        self,
        gradient: Floats,
        proba: Floats,
        weights: NDArray[np.float64],
        limit: float,
    ) -> Floats:
        """Conjugate gradients for ``hessian @ step = -gradient``."""
        step = np.zeros_like(gradient)
        residual = -gradient
        direction = toward = self._precondition(residual)
        square = np.vdot(residual, toward)
        enough = _FORCING * np.linalg.norm(residual)
        for _ in range(_MAX_PRODUCTS):
            curved = self._curvature(direction, proba, weights)
            length = square / np.vdot(direction, curved)
            step += length * direction
            residual = residual - length * curved
            small = np.abs(residual).max() <= limit / 3
            if small or np.linalg.norm(residual) <= enough:
                break
            toward = self._precondition(residual)
            square, before = np.vdot(residual, toward), square
            direction = toward + (square / before) * direction
        return step

    def _prepare(self, theta: Floats, weights: NDArray[np.float64]) -> None:
        """Prepare the diagonal blocks of the Hessian, one an output.

        In the principal axes of the rows a block is nearly diagonal, but for the mean
        of the rows that are in doubt about its class.
        """
        _, proba = self._residuals(theta)
        doubt = proba * (1 - proba) * weights.astype(proba.dtype)[:, None]
        ones = np.full((len(self._X), 1), self._fit_intercept, dtype=self._X.dtype)
        rows = np.hstack([self._X, ones])
        _, self._axes = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        rows = rows @ self._axes.astype(rows.dtype)
        total = np.maximum(doubt.sum(axis=0, dtype=np.float64), 1e-300)[:, None]
        self._means = (doubt.T @ rows) / total
        np.square(rows, out=rows)
        spread = doubt.T @ rows - total * self._means**2
        self._diagonal = np.maximum(spread, 0) + self._penalty
        self._inner = 1 / total + _row_dots(self._means, self._means / self._diagonal)

    def _precondition(self, gradient: Floats) -> Floats:
        """Solve with the prepared blocks, by the formula of Sherman and Morrison."""
        solved = (gradient @ self._axes) / self._diagonal
        along = _row_dots(self._means, solved) / self._inner
        solved -= along * self._means / self._diagonal
        return solved @ self._axes.T

    def _residuals(self, theta: Floats) -> tuple[Floats, Floats]:
        """Probabilities minus class indicators, and probabilities, one an output."""
        proba = self._scores(theta)
        if proba.shape[1] == 1:
            proba = expit(proba)
            return proba - self._codes[:, None].astype(proba.dtype), proba
        proba -= proba.max(axis=1, keepdims=True)
        np.exp(proba, out=proba)
        proba /= proba.sum(axis=1, keepdims=True)
        residual = proba.copy()
        residual[np.arange(len(proba)), self._codes] -= 1
        return residual, proba

    def _curvature(
        self, direction: Floats, proba: Floats, weights: NDArray[np.float64]
    ) -> Floats:
        """Product of the Hessian with a direction."""
        moved = self._scores(direction)
        if moved.shape[1] == 1:
            moved *= proba * (1 - proba)
        else:
            moved -= _row_dots(proba, moved)
            moved *= proba
        return self._products(moved, weights) + self._penalized(direction)

    def _scores(self, theta: Floats) -> Floats:
        theta = theta.astype(self._X.dtype)
        scores = self._X @ theta[:, :-1].T
        scores += theta[:, -1]
        return scores

    def _products(self, table: Floats, weights: NDArray[np.float64]) -> Floats:
        """Sums over rows of ``weight * table * (X, 1)``, one row an output."""
        self.n_products_ += 1
        table = table * weights.astype(table.dtype)[:, None]
        sums = np.zeros((table.shape[1], self._X.shape[1] + 1))
        sums[:, :-1] = table.T @ self._X
        if self._fit_intercept:
            sums[:, -1] = table.sum(axis=0, dtype=np.float64)
        return sums

    def _penalized(self, theta: Floats) -> Floats:
        penalty = self._penalty * theta
        penalty[:, -1] = 0
        return penalty


def _row_dots(a: Floats, b: Floats) -> Floats:
    return np.einsum("ij,ij->i", a, b)[:, None]
