"""Base classifiers of one split: fitted once for each weight vector."""

import copy
import hashlib
import inspect
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight

from ..classifiers import BaseRecipe, base_proba, fit_base, mix_proba, mixable
from ..utils._threads import run_blocks
from ._newton import LogisticPath

# Probabilities of the bases kept for weights that come back.
_KEPT_BYTES = 1 << 26
# Products in a gradient below which more threads cost more than they save: on two cores
# half the processor time below, and as long by the clock.
_SMALL = 20_000_000


class BaseFits:
    """Fit one base for many weight vectors on the same rows.

    The steps before the last of a Pipeline see no weights, so they are fitted once.

    Parameters
    ----------
    recipe : BaseRecipe
    X : array-like of shape (n_samples, n_features)
        Training rows as the base sees them.
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        What is in ``y``, sorted.
    row_sets : list
        Rows that the base is asked about.
    warm : bool
        Start each plain logistic regression near its solution, see ``_newton``.

    Attributes
    ----------
    n_fits_ : int
    failures_ : list of str
        Reports of solvers that did not converge.
    """

    def __init__(
        self,
        recipe: BaseRecipe,
        X: Any,
        y: NDArray[Any],
        classes: NDArray[Any],
        row_sets: list[Any],
        warm: bool,
    ) -> None:
        base = recipe.estimator
        while _has_steps_before(base):
            name, last = base.steps[-1]
            before = clone(base).set_params(**{name: "passthrough"})
            X = before.fit_transform(X, y)
            row_sets = [before.transform(rows) for rows in row_sets]
            base = last
        self._recipe = replace(recipe, estimator=base)
        self._X, self._y, self._row_sets = X, y, row_sets
        self.classes = classes
        product = 2 * np.prod(getattr(X, "shape", 0), dtype=float) * len(classes)
        self._n_jobs = 1 if product < _SMALL else None
        self._warm = warm and _is_plain_logistic(base) and not issparse(X)
        self._path: _Path | None = None
        self._kept: OrderedDict[bytes | None, FittedBase] = OrderedDict()
        self.n_fits_ = 0
        self.failures_: list[str] = []

    def get(self, weights: NDArray[np.float64] | None) -> "FittedBase":
        """The base fitted with ``weights``, an ndarray of shape (n_samples,) or None.

        Returns
        -------
        FittedBase
        """
        key = None if weights is None else hashlib.blake2b(weights.tobytes()).digest()
        if key not in self._kept:
            if self._warm and weights is not None and self._path is None:
                unweighted = self.get(None).estimator
                self._path = _Path(unweighted, self._X, self._y)
            run_blocks(lambda key: self._fit(key, weights), [key], self._n_jobs)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _fit(self, key: bytes | None, weights: NDArray[np.float64] | None) -> None:
        base = None
        if self._path is not None and weights is not None:
            base = self._path.fit(weights, None)
        if base is None:
            base, failures = fit_base(
                self._recipe, self._X, self._y, weights, self.classes
            )
            self.failures_ += failures
        self.n_fits_ += 1
        self._kept[key] = FittedBase(base, self._row_sets, self.classes)
        # The fit without weights comes back with every k and tau.
        old = [kept for kept in self._kept if kept is not None]
        room = max(2, _KEPT_BYTES // max(1, self._kept[key].nbytes))
        for unused in old[: max(0, len(old) - room)]:
            del self._kept[unused]


class _Path:
    """Logistic regressions solved from the one without weights."""

    def __init__(self, unweighted: Any, X: Any, y: NDArray[Any]) -> None:
        self._unweighted, self._y = unweighted, y
        # The precision of cold fits: some releases solve for float32 rows in float64.
        X = check_array(X, dtype=unweighted.coef_.dtype, order="C")
        self._codes = np.searchsorted(unweighted.classes_, y)
        self._path = LogisticPath(
            X,
            self._codes,
            unweighted.coef_,
            unweighted.intercept_,
            self._with_class_weights(np.ones(len(X))),
            C=unweighted.C,
            fit_intercept=unweighted.fit_intercept,
            tol=unweighted.tol,
        )

    def fit(self, weights: NDArray[np.float64], tol: float | None) -> Any:
        """Fitted LogisticRegression, or None where the solver fails."""
        coef, intercept, n_steps = self._path.solve(
            self._with_class_weights(weights),
            self._unweighted.tol if tol is None else tol,
        )
        if coef is None:
            return None
        base = copy.copy(self._unweighted)
        base.coef_, base.intercept_ = coef, intercept
        base.n_iter_ = np.array([n_steps], dtype=np.int32)
        return base

    def _with_class_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        base = self._unweighted
        if base.class_weight is None:
            return weights
        arguments = {"classes": base.classes_, "y": self._y}
        # "balanced" counts weighted rows since scikit-learn 1.7.
        if "sample_weight" in inspect.signature(compute_class_weight).parameters:
            arguments["sample_weight"] = weights
        by_class = compute_class_weight(base.class_weight, **arguments)
        return weights * by_class[self._codes]


class FittedBase:
    """A fitted base and its answers for the rows that it is asked about."""

    def __init__(
        self, estimator: Any, row_sets: list[Any], classes: NDArray[Any]
    ) -> None:
        self.estimator = estimator
        self._row_sets, self._classes = row_sets, classes
        self._proba: list[Any] = [None] * len(row_sets)
        self._mixable: list[Any] = [None] * len(row_sets)
        n_rows = sum(getattr(rows, "shape", (0,))[0] for rows in row_sets)
        self.nbytes = 16 * n_rows * len(classes)

    def answer(self, method: str, number: int) -> NDArray[Any]:
        """Output of ``method`` for the row set of that number."""
        return getattr(self.estimator, method)(self._row_sets[number])

    def predict_proba(self, number: int) -> NDArray[Any]:
        """Class probabilities of the row set of that number, computed once."""
        if self._proba[number] is None:
            rows = self._row_sets[number]
            self._proba[number] = base_proba(self.estimator, rows, self._classes)
        return self._proba[number]

    def mix(
        self, votes: NDArray[np.float64] | None, lam: float, number: int
    ) -> NDArray[Any]:
        """Mixture with the votes for the row set of that number."""
        if lam != 0 and self._mixable[number] is None:
            self._mixable[number] = mixable(self.predict_proba(number))
        base = self.predict_proba(number) if lam == 0 else self._mixable[number]
        return mix_proba(votes, base, lam)


def _has_steps_before(base: Any) -> bool:
    return (
        type(base) is Pipeline
        and len(base.steps) > 1
        and getattr(base, "transform_input", None) is None
    )


def _is_plain_logistic(base: Any) -> bool:
    """Whether the solver of warm starts solves the same problem."""
    if type(base) is not LogisticRegression or not np.isfinite(base.C):
        return False
    free = {"C", "class_weight", "fit_intercept", "max_iter", "tol", "random_state"}
    params = base.get_params()
    default = LogisticRegression().get_params()
    return all(params[name] == default[name] for name in params.keys() - free)
