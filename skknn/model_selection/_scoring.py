"""Scores of answers that are known already.

Scorers want an estimator and rows. They get a view that holds the answers of one point
of the grid for those rows, so that any scorer sees what it would see from the fitted
estimator. Accuracy and log loss are computed from class numbers directly, in place of
the scorer, once they have been found equal to it.
"""

import numpy as np
from sklearn.metrics import accuracy_score, get_scorer

from ..utils._sklearn import score as run_scorer

KINDS = ("accuracy", "neg_log_loss")


class VoteAnswers:
    """Predictions that follow from class probabilities."""

    def __init__(self, proba, classes):
        self.proba = proba
        self._classes = classes

    def codes(self):
        return self.proba.argmax(axis=1)

    def predict(self):
        return self._classes[self.codes()]

    def predict_proba(self):
        return self.proba

    def predict_log_proba(self):
        with np.errstate(divide="ignore"):
            return np.log(self.proba)


class ClassAnswers:
    """Predictions that are known without probabilities, for scores of these alone."""

    def __init__(self, codes):
        self._codes = codes

    def codes(self):
        return self._codes


class BaseAnswers:
    """Predictions of a fitted base alone, for one of its row sets."""

    def __init__(self, base, number, classes):
        self._base, self._number, self._classes = base, number, classes

    @property
    def proba(self):
        return self._base.predict_proba(self._number)

    def codes(self):
        return np.searchsorted(self._classes, self.predict())

    def predict(self):
        return self._base.answer("predict", self._number)

    def predict_proba(self):
        return self.proba

    def predict_log_proba(self):
        with np.errstate(divide="ignore"):
            return np.log(self.proba)

    def decision_function(self):
        return self._base.answer("decision_function", self._number)


class FittedView:
    """What scorers take for the fitted estimator of one point of the grid.

    Parameters
    ----------
    unfitted : estimator
        Answers questions about kind and methods.
    X
        Rows that the answers are for.
    answers : VoteAnswers or BaseAnswers
    classes : ndarray of shape (n_classes,)
    fit : callable
        Returns the estimator itself, fitted, for questions without an answer here.
    """

    def __init__(self, unfitted, X, answers, classes, fit):
        self._unfitted = unfitted
        self._X = X
        self._answers = answers
        self._fit = fit
        self.classes_ = classes

    def __sklearn_tags__(self):
        return self._unfitted.__sklearn_tags__()

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self._answer("predict", X)

    def predict_proba(self, X):
        return self._answer("predict_proba", X)

    def predict_log_proba(self, X):
        return self._answer("predict_log_proba", X)

    @property
    def decision_function(self):
        if not hasattr(self._unfitted, "decision_function"):
            raise AttributeError("decision_function")

        def decision_function(X):
            return self._answer("decision_function", X)

        return decision_function

    def score(self, X, y, sample_weight=None):
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def _answer(self, method, X):
        if X is self._X:
            return getattr(self._answers, method)()
        return getattr(self._fitted(), method)(X)

    def _fitted(self):
        if callable(self._fit):
            self._estimator = self._fit()
            self._fit = None
        return self._estimator

    def __getattr__(self, name):
        # Only for names that are not defined above.
        if name.startswith("__") or name in ("_estimator", "_unfitted", "_fit"):
            raise AttributeError(name)
        if not name.endswith("_") and not hasattr(self._unfitted, name):
            raise AttributeError(f"{self._unfitted!r} has no attribute {name!r}")
        return getattr(self._fitted(), name)


def scorer_kinds(scorers, scoring):
    """Which scores are computed here.

    Parameters
    ----------
    scorers : callable
        From ``check_scoring``; several at once hold theirs in ``_scorers``.
    scoring
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


def _kind(scorer):
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
    X, y
        Rows as the scorers get them.
    classes : ndarray of shape (n_classes,)
        Classes seen in training.
    score_params : dict
    error_score : "raise" or float
    """

    def __init__(self, scorers, kinds, X, y, classes, score_params, error_score):
        self.X, self.y, self.classes = X, y, classes
        self._scorers, self._kinds = scorers, kinds
        self._score_params, self._error_score = score_params, error_score
        labels = np.asarray(y)
        codes = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        self.codes = np.where(classes[codes] == labels, codes, -1)
        # log_loss refuses labels without a column and columns without a label.
        present = np.unique(self.codes)
        self.complete = np.array_equal(present, np.arange(len(classes)))
        self._trusted = None
        if score_params or not self._direct_kinds():
            self._trusted = False

    def __call__(self, answers, unfitted, fit):
        """Score or scores, as scikit-learn's searches compute them."""
        if self._trusted:
            return self._direct(answers)
        view = FittedView(unfitted, self.X, answers, self.classes, fit)
        scores = run_scorer(
            view, self.X, self.y, self._scorers, self._score_params, self._error_score
        )
        if self._trusted is None:
            self._trusted = self._direct(answers) == scores
        return scores

    @property
    def takes_classes(self):
        """Whether scores are known to follow from predicted classes alone."""
        kinds = self._kinds
        kinds = kinds.values() if isinstance(kinds, dict) else [kinds]
        return bool(self._trusted) and all(kind == "accuracy" for kind in kinds)

    def _direct_kinds(self):
        kinds = self._kinds
        kinds = kinds.values() if isinstance(kinds, dict) else [kinds]
        return all(
            kind == "accuracy" or (kind == "neg_log_loss" and self.complete)
            for kind in kinds
        )

    def _direct(self, answers):
        if isinstance(self._kinds, dict):
            return {n: self._one(answers, kind) for n, kind in self._kinds.items()}
        return self._one(answers, self._kinds)

    def _one(self, answers, kind):
        if kind == "accuracy":
            return np.count_nonzero(answers.codes() == self.codes) / len(self.codes)
        rows = np.arange(len(self.codes))
        return neg_log_loss(answers.proba[rows, self.codes])


def neg_log_loss(own):
    """scikit-learn's negated log loss.

    Parameters
    ----------
    own : ndarray of shape (n_queries,)
        Probability of each row's own class.

    Returns
    -------
    float
    """
    eps = np.finfo(own.dtype).eps
    # numpy's logarithm, as scikit-learn's: scipy's xlogy may differ in the last bit.
    return -1 * float(np.average(-np.log(own.clip(eps, 1 - eps))))
