"""Scores of answers that are known already.

Accuracy and log loss, where the scorer is scikit-learn's own for one of them or
:func:`own_log_loss`, are computed from class numbers and probabilities directly; for
all else the scorer gets a view of the estimator.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from ..utils._sklearn import log_in_scores
from ..utils._sklearn import score as run_scorer
from ._answers import FittedView

KINDS = ("accuracy", "neg_log_loss")


def own_log_loss(estimator: Any, X: Any, y: Any) -> float:
    """Negated log loss that knows what to do with classes nobody has seen.

    scikit-learn's refuses held-out rows that lack a class of the training rows, or
    have one more, and few rows of many classes often do. A label that was not seen in
    training has no probability, as any class has that the model rules out.

    Parameters
    ----------
    estimator : fitted classifier
    X
        Rows.
    y : array-like of shape (n_rows,)

    Returns
    -------
    float
        The mean over rows.
    """
    return _mean_log(estimator.predict_proba(X), class_codes(y, estimator.classes_))


def class_codes(y: Any, classes: NDArray[Any]) -> NDArray[np.integer]:
    """Number of each label among sorted classes, (n_rows,); -1 for others."""
    labels = np.asarray(y)
    codes = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    return np.where(classes[codes] == labels, codes, -1)


def _mean_log(proba: NDArray[Any], codes: NDArray[np.integer]) -> float:
    own = proba[np.arange(len(codes)), codes].astype(np.float64)
    own[codes < 0] = 0.0
    return float(np.log(own.clip(np.finfo(np.float64).eps, 1)).mean())


def scorer_kinds(scorers: Any, scoring: Any) -> Any:
    """Which scores are computed here.

    Parameters
    ----------
    scorers : callable
        From ``check_scoring``; several at once hold theirs in ``_scorers``.
    scoring : str, callable, list, dict or None
        The search's parameter.

    Returns
    -------
    dict name -> "accuracy", "neg_log_loss", "own_log_loss" or None
        Or one of these for a single score.
    """
    if scoring is None:
        return "accuracy"
    if hasattr(scorers, "_scorers"):
        return {name: _kind(scorer) for name, scorer in scorers._scorers.items()}
    return _kind(scorers)


def named_kinds(kinds: Any) -> dict[str, Any]:
    """Kinds by the names of their scores; a single one is called "score"."""
    return kinds if isinstance(kinds, dict) else {"score": kinds}


def _kind(scorer: Any) -> str | None:
    if scorer is own_log_loss:
        return "own_log_loss"
    for kind in KINDS:
        own = get_scorer(kind)
        if type(scorer) is type(own) and vars(scorer) == vars(own):
            return kind
    return None


class RowScores:
    """Scores of many answers for the same rows.

    Parameters
    ----------
    scorers : callable
    kinds : str, None or dict
        From :func:`scorer_kinds`.
    X, y : array, data frame or list
        Rows as the scorers get them.
    classes : ndarray of shape (n_classes,)
        Classes seen in training.
    score_params : dict
    error_score : "raise" or float
    """

    def __init__(
        self,
        scorers: Any,
        kinds: Any,
        X: Any,
        y: Any,
        classes: NDArray[Any],
        score_params: dict[str, Any],
        error_score: Any,
    ) -> None:
        self.X, self.y, self.classes = X, y, classes
        self._scorers, self._kinds = scorers, kinds
        self._score_params, self._error_score = score_params, error_score
        self.codes = class_codes(y, classes)
        # log_loss refuses labels without a column and columns without a label.
        present = np.unique(self.codes)
        self.complete = np.array_equal(present, np.arange(len(classes)))
        self._rest = takes_rest(self.codes, len(classes))
        wanted = named_kinds(kinds).values()
        self._direct = not score_params and all(
            kind in ("accuracy", "own_log_loss")
            or (kind == "neg_log_loss" and self.complete)
            for kind in wanted
        )
        self.takes_classes = self._direct and all(kind == "accuracy" for kind in wanted)

    def __call__(self, answers: Any, unfitted: Any, fit: Callable[[], Any]) -> Any:
        """Score or scores, as scikit-learn's searches compute them."""
        if not self._direct:
            view = FittedView(unfitted, self.X, answers, self.classes, fit)
            return run_scorer(
                view,
                self.X,
                self.y,
                self._scorers,
                self._score_params,
                self._error_score,
            )
        if isinstance(self._kinds, dict):
            return {n: self._one(answers, kind) for n, kind in self._kinds.items()}
        return self._one(answers, self._kinds)

    def _one(self, answers: Any, kind: str) -> float:
        if kind == "accuracy":
            return np.count_nonzero(answers.codes() == self.codes) / len(self.codes)
        if kind == "own_log_loss":
            return _mean_log(answers.proba, self.codes)
        entries = own_entries(answers.proba, self.codes)
        return neg_log_loss(own_proba(entries, self._rest))


def own_entries(table: NDArray[Any], codes: NDArray[np.integer]) -> NDArray[Any]:
    """What decides the log loss in each row of a table of probabilities.

    Of two classes the scorer hands on the second one's probability alone, so that the
    first one has what is left to 1; see :func:`own_proba`.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_classes)
    codes : ndarray of shape (n_rows,), int
        Own class of each row.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    columns = 1 if table.shape[1] == 2 else codes
    return table[np.arange(len(table)), columns]


def takes_rest(codes: NDArray[np.integer], n_classes: int) -> NDArray[np.bool_] | None:
    """Rows whose own class has what is left to 1, (n_rows,); None for no row."""
    return codes == 0 if n_classes == 2 else None


def own_proba(entries: NDArray[Any], rest: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Probability of each row's own class, (n_rows,), as the log loss takes it.

    Parameters
    ----------
    entries : ndarray of shape (n_rows,)
        From :func:`own_entries`.
    rest : ndarray of shape (n_rows,), bool, or None
        From :func:`takes_rest`.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    return entries if rest is None else np.where(rest, 1 - entries, entries)


def neg_log_loss(own: NDArray[Any]) -> float:
    """scikit-learn's negated log loss.

    Parameters
    ----------
    own : ndarray of shape (n_queries,)
        From :func:`own_proba`.

    Returns
    -------
    float
    """
    eps = np.finfo(own.dtype).eps
    return -1 * float(np.average(-log_in_scores(own.clip(eps, 1 - eps))))
