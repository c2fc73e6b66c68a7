"""Scores of answers that are known already.

Accuracy and log loss, where the scorer is scikit-learn's own for one of them, are
computed from class numbers and probabilities directly; for all else the scorer gets a
view of the estimator.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from ..utils._sklearn import score as run_scorer
from ._answers import FittedView

KINDS = ("accuracy", "neg_log_loss")


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
    dict name -> "accuracy", "neg_log_loss" or None; or one of these for a single score
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
        labels = np.asarray(y)
        codes = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        self.codes = np.where(classes[codes] == labels, codes, -1)
        # log_loss refuses labels without a column and columns without a label.
        present = np.unique(self.codes)
        self.complete = np.array_equal(present, np.arange(len(classes)))
        self._rest = takes_rest(self.codes, len(classes))
        wanted = named_kinds(kinds).values()
        self._direct = not score_params and all(
            kind == "accuracy" or (kind == "neg_log_loss" and self.complete)
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
    # numpy's logarithm, as scikit-learn's: scipy's xlogy may differ in the last bit.
    return -1 * float(np.average(-np.log(own.clip(eps, 1 - eps))))
