"""What is said of photos without a label."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inspection._asked_rows import AskedRows, Sides
from ._audit import is_unlike
from ._frames import best_two, data_frame

_N_SHOWN = 5


def training_frame(
    files: Sequence[str],
    labels: NDArray[Any],
    sides: Sides,
    label_quality: NDArray[np.float64],
) -> Any:
    """What cross-validation says of the labelled photos, and the audit of their labels.

    Returns
    -------
    DataFrame [file, label, predicted, probability, runner_up, runner_up_probability, \
label_quality]
    """
    found = best_two(sides.mixture, np.unique(labels))
    predicted = found.pop("label")
    return data_frame(
        {
            "file": list(files),
            "label": labels,
            "predicted": predicted,
            **found,
            "label_quality": label_quality,
        }
    )


def predictions_frame(
    files: Sequence[str],
    rows: NDArray[Any],
    *,
    classifier: Any,
    audit: Any,
    training_files: Sequence[str],
    training_labels: Sequence[str],
    sure: float,
) -> Any:
    """Predict photos.

    Parameters
    ----------
    files : sequence of str
        Their names.
    rows : ndarray of shape (n, n_features)
    classifier : JointKNNClassifierCV
        Fitted.
    audit : LabelAudit
        Fitted on the training rows as they vote.
    training_files, training_labels : sequence of str
        In the order in which the classifier saw them.
    sure : float
        Probability below which a prediction is called uncertain.

    Returns
    -------
    DataFrame
        [file, label, probability, runner_up, runner_up_probability, nearest_files,
        nearest_labels, nearest_shares, votes_probability, base_probability, uncertain,
        unlike]: lists of up to 5 training photos, the most similar first;
        probabilities of ``label`` by the votes and by the base alone.
    """
    classes = classifier.classes_
    if len(rows):
        asked = AskedRows(classifier, rows)
        sides, voters = asked.sides(), asked.nearest()
        nearest = voters.ids[:, :_N_SHOWN].tolist()
        shares = voters.shares[:, :_N_SHOWN].tolist()
        unlike = is_unlike(audit, asked.rows_that_vote)
    else:
        empty = np.empty((0, len(classes)))
        sides, nearest, shares = Sides(empty, empty, empty), [], []
        unlike = np.empty(0, dtype=bool)
    found = best_two(sides.mixture, classes)
    every = np.arange(len(rows)), np.searchsorted(classes, found["label"])
    return data_frame(
        {
            "file": list(files),
            **found,
            "nearest_files": [[training_files[i] for i in row] for row in nearest],
            "nearest_labels": [[training_labels[i] for i in row] for row in nearest],
            "nearest_shares": shares,
            "votes_probability": sides.votes[every],
            "base_probability": sides.base[every],
            "uncertain": found["probability"] < sure,
            "unlike": unlike,
        }
    )
