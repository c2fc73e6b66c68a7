"""The classifier of photos, and its two sides apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datastore import vote_weights
from ..features import BlockWeights, FungiTransformer
from ..inspection._pictures import knn_side
from ..model_selection import JointKNNClassifierCV


def make_classifier(
    embedder: Any, *, cv: Any, n_jobs: int | None, random_state: int
) -> JointKNNClassifierCV:
    """Make the classifier of an embedder's rows, unfitted.

    Blocks of gradient features are weighed for the votes; the base weighs columns by
    itself.
    """
    blocks = isinstance(embedder, FungiTransformer) and embedder.n_components is None
    weighed = BlockWeights(blocks=embedder.feature_slices_) if blocks else None
    return JointKNNClassifierCV(
        knn_transformer=weighed, cv=cv, n_jobs=n_jobs, random_state=random_state
    )


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
class Voters:
    """Training rows that vote for each of some rows, those with most votes first.

    Attributes
    ----------
    rows : ndarray of shape (n, k), int
        Numbers of training rows.
    shares : ndarray of shape (n, k)
        Of all votes; those not listed here have the rest.
    """

    rows: NDArray[np.intp]
    shares: NDArray[np.float64]


def ask_sides(classifier: Any, rows: NDArray[Any]) -> Sides:
    """Ask a fitted classifier, its votes and its base about the same rows.

    Parameters
    ----------
    classifier : JointKNNClassifierCV
    rows : ndarray of shape (n, n_features)

    Returns
    -------
    Sides
    """
    joint, knn, knn_rows = knn_side(classifier, rows)
    return Sides(
        mixture=classifier.predict_proba(rows),
        votes=knn.predict_proba(knn_rows),
        base=joint.estimator_.predict_proba(rows),
    )


def find_voters(classifier: Any, rows: NDArray[Any], n_shown: int) -> Voters:
    """Find the nearest training rows of each row, with their shares of the votes.

    Parameters
    ----------
    classifier : JointKNNClassifierCV
        Fitted.
    rows : ndarray of shape (n, n_features)
    n_shown : int
        How many at most.

    Returns
    -------
    Voters
    """
    _, knn, knn_rows = knn_side(classifier, rows)
    distances, nearest = knn.kneighbors(knn_rows)
    weights = vote_weights(distances, knn.tau_)
    weights /= weights.sum(axis=1, keepdims=True)
    return Voters(nearest[:, :n_shown], weights[:, :n_shown])


def rows_that_vote(classifier: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows as neighbours are sought among them."""
    return knn_side(classifier, rows)[2]
