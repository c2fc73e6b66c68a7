"""The base of a classifier, fitted with the weights that its kNN side gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._base import fit_base, make_base
from ._convergence import warn_not_converged
from ._labelled_index import own_class_votes
from ._modulation import RowWeights, weigh_rows
from ._soft_knn import SoftKNNClassifier


@dataclass(frozen=True)
class GuidedBase:
    """A fitted base and what it has learnt from.

    Attributes
    ----------
    base : classifier
    classes : ndarray of shape (n_classes,)
        Those that its rows have, sorted.
    weights : RowWeights
    """

    base: Any
    classes: NDArray[Any]
    weights: RowWeights

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of a JointKNNClassifier that they make."""
        return {
            "estimator_": self.base,
            "base_classes_": self.classes,
            "knn_proba_": self.weights.knn_proba,
            "modulation_": self.weights.modulation,
            "sample_weight_": self.weights.sample_weight,
        }


def fit_guided(classifier: Any, knn: SoftKNNClassifier, rows: Any) -> GuidedBase:
    """Weigh the rows of a kNN side by leave-one-out, and fit a base to them.

    Parameters
    ----------
    classifier : KNNWeightedLogisticRegression or JointKNNClassifier
        Says what base and weights are. It is left as it is.
    knn : SoftKNNClassifier
        Fitted.
    rows : array-like of shape (n_samples, n_features)
        Its training rows as the base sees them.

    Returns
    -------
    GuidedBase

    Raises
    ------
    ValueError
        If the rows are of one class.
    """
    index = knn.index_
    weights = weigh_rows(
        own_class_votes(index, knn.n_neighbors_, knn.tau_),
        modulation=classifier.modulation,
        gamma=classifier.gamma,
        alpha=classifier.alpha,
    )
    classes = knn.classes_[np.unique(index.codes)]
    if len(classes) < 2:
        raise ValueError(
            f"The base needs rows of at least 2 classes, got {classes.tolist()[0]!r} "
            f"alone in {index.n_samples} rows. Add rows of others first."
        )
    base, failures = fit_base(
        make_base(classifier),
        rows,
        knn.classes_[index.codes],
        weights.for_base,
        classes,
    )
    warn_not_converged(classifier, base, failures, _remedy(classifier))
    return GuidedBase(base, classes, weights)


def _remedy(classifier: Any) -> str:
    """For a base that does not converge."""
    if hasattr(classifier, "max_iter"):
        return (
            f"Increase max_iter={classifier.max_iter} or tol={classifier.tol}, or "
            "scale the columns of X, for example with StandardScaler."
        )
    if classifier.estimator is not None:
        return "Adjust its limit of iterations or its tolerance, or scale X."
    return (
        "Scale the columns of X, for example with StandardScaler, or pass "
        "estimator=LogisticRegression(max_iter=..., tol=...)."
    )
