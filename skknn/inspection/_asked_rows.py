"""What a fitted classifier says of rows, and what each of its sides says."""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import vote_weights
from ._pictures import final_classifier


@dataclass(frozen=True, eq=False)
class Sides:
    """Class probabilities of the same rows: of the mixture and of both its sides.

    Attributes
    ----------
    mixture, votes, base : ndarray of shape (n, n_classes)
    """

    mixture: NDArray[Any]
    votes: NDArray[Any]
    base: NDArray[Any]


@dataclass(frozen=True, eq=False)
class NearestRows:
    """The k training rows that vote for each of some rows, the nearest first.

    Attributes
    ----------
    ids : ndarray of shape (n, k), int
        Numbers of training rows.
    distances, shares : ndarray of shape (n, k)
        Shares of a row sum to 1.
    """

    ids: NDArray[np.intp]
    distances: NDArray[np.float64]
    shares: NDArray[np.float64]


class AskedRows:
    """Rows that a fitted classifier with neighbours is asked about.

    Parameters
    ----------
    estimator : classifier, Pipeline or search
        Fitted.
    X : rows as ``estimator`` takes them

    Attributes
    ----------
    classifier : SoftKNNClassifier or JointKNNClassifier
        The one at the end of ``estimator``.
    knn : SoftKNNClassifier
        Its kNN side, perhaps itself.

    Raises
    ------
    ValueError
        If it keeps no neighbours.
    """

    def __init__(self, estimator: Any, X: Any) -> None:
        self.classifier, self._rows = final_classifier(estimator, X)
        if hasattr(self.classifier, "knn_"):
            self.knn = self.classifier.knn_
        elif hasattr(self.classifier, "kneighbors"):
            self.knn = self.classifier
        else:
            raise ValueError(
                f"estimator={self.classifier!r} keeps no neighbours. Pass a fitted "
                "SoftKNNClassifier or JointKNNClassifier, or a Pipeline or search with "
                "one."
            )

    @property
    def has_base(self) -> bool:
        """Whether there is a base beside the votes."""
        return self.knn is not self.classifier

    @cached_property
    def rows_that_vote(self) -> Any:
        """The rows as neighbours are sought among them."""
        transformer = getattr(self.classifier, "knn_transformer_", None)
        return self._rows if transformer is None else transformer.transform(self._rows)

    def mixture(self) -> NDArray[Any]:
        """Return what the classifier says."""
        return self.classifier.predict_proba(self._rows)

    def sides(self) -> Sides:
        """Return what the classifier says, its votes and its base."""
        # lam acts at prediction alone, so the copy shares everything fitted.
        base = copy.copy(self.classifier).set_params(lam=0.0)
        return Sides(
            mixture=self.mixture(),
            votes=self.knn.predict_proba(self.rows_that_vote),
            base=base.predict_proba(self._rows),
        )

    def nearest(self) -> NearestRows:
        """Return the training rows that vote."""
        distances, ids = self.knn.kneighbors(self.rows_that_vote)
        weights = vote_weights(distances, self.knn.tau_)
        return NearestRows(ids, distances, weights / weights.sum(axis=1, keepdims=True))
