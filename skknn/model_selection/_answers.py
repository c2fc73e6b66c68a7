"""Answers of one point of the grid for some rows, and the estimator scorers see.

Scorers want an estimator and rows. They get a view that holds the answers of one point
for those rows, so that any scorer sees what it would see from the fitted estimator.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from ._base_fits import FittedBase


class VoteAnswers:
    """Predictions that follow from class probabilities."""

    def __init__(self, proba: NDArray[Any], classes: NDArray[Any]) -> None:
        self.proba = proba
        self._classes = classes

    def codes(self) -> NDArray[np.integer]:
        return self.proba.argmax(axis=1)

    def predict(self) -> NDArray[Any]:
        return self._classes[self.codes()]

    def predict_proba(self) -> NDArray[Any]:
        return self.proba

    def predict_log_proba(self) -> NDArray[Any]:
        with np.errstate(divide="ignore"):
            return np.log(self.proba)


class ClassAnswers:
    """Predictions that are known without probabilities, for scores of these alone."""

    def __init__(self, codes: NDArray[np.integer]) -> None:
        self._codes = codes

    def codes(self) -> NDArray[np.integer]:
        return self._codes


class BaseAnswers:
    """Predictions of a fitted base alone, for one of its row sets."""

    def __init__(self, base: FittedBase, number: int, classes: NDArray[Any]) -> None:
        self._base, self._number, self._classes = base, number, classes

    @property
    def proba(self) -> NDArray[Any]:
        return self._base.predict_proba(self._number)

    def codes(self) -> NDArray[np.integer]:
        return np.searchsorted(self._classes, self.predict())

    def predict(self) -> NDArray[Any]:
        return self._base.answer("predict", self._number)

    def predict_proba(self) -> NDArray[Any]:
        return self.proba

    def predict_log_proba(self) -> NDArray[Any]:
        with np.errstate(divide="ignore"):
            return np.log(self.proba)

    def decision_function(self) -> NDArray[Any]:
        return self._base.answer("decision_function", self._number)


class FittedView:
    """What scorers take for the fitted estimator of one point of the grid.

    Parameters
    ----------
    unfitted : estimator
        Answers questions about kind and methods.
    X : array, data frame or list
        Rows that the answers are for.
    answers : VoteAnswers or BaseAnswers
    classes : ndarray of shape (n_classes,)
    fit : callable
        Returns the estimator itself, fitted, for questions without an answer here.
    """

    def __init__(
        self,
        unfitted: Any,
        X: Any,
        answers: Any,
        classes: NDArray[Any],
        fit: Callable[[], Any],
    ) -> None:
        self._unfitted = unfitted
        self._X = X
        self._answers = answers
        self._fit: Callable[[], Any] | None = fit
        self.classes_ = classes

    def __sklearn_tags__(self) -> Any:
        return self._unfitted.__sklearn_tags__()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[Any]:
        return self._answer("predict", X)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        return self._answer("predict_proba", X)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        return self._answer("predict_log_proba", X)

    @property
    def decision_function(self) -> Callable[[Any], NDArray[Any]]:
        if not hasattr(self._unfitted, "decision_function"):
            raise AttributeError("decision_function")

        def decision_function(X: Any) -> NDArray[Any]:
            return self._answer("decision_function", X)

        return decision_function

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def _answer(self, method: str, X: Any) -> NDArray[Any]:
        if X is self._X:
            return getattr(self._answers, method)()
        return getattr(self._fitted(), method)(X)

    def _fitted(self) -> Any:
        if callable(self._fit):
            self._estimator = self._fit()
            self._fit = None
        return self._estimator

    def __getattr__(self, name: str) -> Any:
        # Only for names that are not defined above.
        if name.startswith("__") or name in ("_estimator", "_unfitted", "_fit"):
            raise AttributeError(name)
        if not name.endswith("_") and not hasattr(self._unfitted, name):
            raise AttributeError(f"{self._unfitted!r} has no attribute {name!r}")
        return getattr(self._fitted(), name)
