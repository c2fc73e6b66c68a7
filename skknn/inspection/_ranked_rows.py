"""How probable each training row's own class is, and which other class is likelier."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifiers import SoftKNNClassifier, make_knn, row_modulation
from ..datastore import soft_votes


@dataclass(frozen=True, eq=False)
class RankedRows:
    """Training rows of a classifier or an audit.

    Attributes
    ----------
    proba : ndarray of shape (n_samples,), float64
        Probability of each row's own class, itself left out.
    modulation : ndarray of shape (n_samples,), float64
    codes : ndarray of shape (n_samples,), intp, or None
        Class number of each row.
    others : ndarray of shape (n_samples,), intp, or None
        The likeliest other class of each, where it is known already.
    knn : SoftKNNClassifier or None
        What can be asked for it.
    """

    proba: NDArray[np.float64]
    modulation: NDArray[np.float64]
    codes: NDArray[np.intp] | None
    others: NDArray[np.intp] | None = None
    knn: SoftKNNClassifier | None = None

    def suggested(self, rows: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """The likeliest other class of some of the rows, None where it is not known."""
        if self.others is not None:
            return self.others[rows]
        if self.knn is None:
            return None
        index, k = self.knn.index_, self.knn.n_neighbors_
        k = min(k, index.n_voters(None))
        found = np.empty(len(rows), dtype=np.intp)
        for place, row in enumerate(rows):
            distances, ids = index.rows.leave_one_out(k, slice(row, row + 1))
            labels = index.codes[ids]
            votes = soft_votes(distances, labels, self.knn.tau_, index.n_classes)[0]
            votes[index.codes[row]] = -1
            found[place] = votes.argmax()
        return found


def rank_rows(estimator: Any, X: Any, y: Any) -> RankedRows:
    """What a fitted classifier or audit says of its training rows.

    Parameters
    ----------
    estimator : classifier or LabelAudit
    X : training rows as it sees them, or None
    y : array-like of shape (n_samples,), or None

    Returns
    -------
    RankedRows

    Raises
    ------
    ValueError
        For another estimator, or labels that ``fit`` did not see.
    """
    if hasattr(estimator, "label_quality_"):
        proba = estimator.label_quality_
        others = np.searchsorted(estimator.classes_, estimator.suggested_labels_)
        modulation = row_modulation(proba, "nll", gamma=1.0)
        return RankedRows(proba, modulation, estimator.knn_.index_.codes, others)
    if not hasattr(estimator, "modulation_"):
        raise ValueError(
            f"estimator={estimator!r} weighs no training rows. Pass a fitted "
            "KNNWeightedLogisticRegression or JointKNNClassifier, or a LabelAudit."
        )
    codes = None
    if y is not None:
        codes = _codes(estimator.classes_, np.asarray(y))
    knn = getattr(estimator, "knn_", None)
    n_samples = len(estimator.modulation_)
    if knn is not None and not np.array_equal(knn.ids_, np.arange(n_samples)):
        knn = None  # rows came or went since the base was fitted
    elif knn is None and X is not None and y is not None:
        knn = make_knn(estimator).fit(X, y)
    return RankedRows(estimator.knn_proba_, estimator.modulation_, codes, None, knn)


def _codes(classes: NDArray[Any], y: NDArray[Any]) -> NDArray[np.intp]:
    """Class number of each label."""
    known = set(classes.tolist())
    others = [label for label in y.tolist() if label not in known]
    if others:
        raise ValueError(
            "y has labels that are no classes of the estimator, such as "
            f"{others[0]!r}; it knows {classes.tolist()[:10]}. Pass the "
            "labels that fit saw, or y=None."
        )
    return np.searchsorted(classes, y)
