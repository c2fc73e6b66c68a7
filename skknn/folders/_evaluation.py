"""What cross-validation got right: accuracy, classes, and from where it is sure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inspection._asked_rows import Sides
from ._cross_validation import folds_of
from ._frames import data_frame
from ._intervals import bootstrap_of_groups, wilson

#: What photos that are not called uncertain shall reach in cross-validation.
SURE_ACCURACY = 0.95


def evaluation_of(
    sides: Sides,
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    random_state: int,
) -> dict[str, Any]:
    """Count what cross-validation got right.

    Parameters
    ----------
    sides : Sides
        Of :func:`held_out_answers`.
    labels : ndarray of shape (n,)
    groups : ndarray of shape (n,) or None
    random_state : int

    Returns
    -------
    dict
        ``accuracy`` with its 95 % interval ``low`` to ``high``; ``baseline``, the share
        of the largest class; ``votes_accuracy`` and ``base_accuracy`` of the two sides
        alone; ``n``; ``protocol``.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    n = len(labels)
    right = sides.mixture.argmax(axis=1) == codes
    n_folds = folds_of(labels, groups, random_state).get_n_splits()
    if groups is None:
        low, high = wilson(right.sum(), n)
        kept, interval = "", "Wilson's"
    else:
        low, high = bootstrap_of_groups(right, groups, random_state=random_state)
        kept = f" ({len(np.unique(groups))} groups, each in one fold)"
        interval = "a bootstrap over groups"
    return {
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "baseline": float(np.bincount(codes).max() / n),
        "votes_accuracy": float((sides.votes.argmax(axis=1) == codes).mean()),
        "base_accuracy": float((sides.base.argmax(axis=1) == codes).mean()),
        "n": n,
        "n_classes": len(classes),
        "protocol": (
            f"Stratified cross-validation in {n_folds} folds on {n} labelled "
            f"photos{kept}: each photo is predicted by a model that never saw it and "
            "whose parameters were chosen within the other folds; the interval is "
            f"{interval}, 95 %."
        ),
    }


def per_class_of(sides: Sides, labels: NDArray[Any]) -> Any:
    """Precision and recall of each class, with Wilson's interval of the recall.

    Returns
    -------
    DataFrame [class, n, precision, recall, low, high]
        Precision is NaN for a class that is never predicted.
    """
    counts = confusion_of(sides, labels).to_numpy()
    n, hits, predicted = counts.sum(axis=1), counts.diagonal(), counts.sum(axis=0)
    intervals = [wilson(hit, int(of)) for hit, of in zip(hits, n)]
    with np.errstate(invalid="ignore"):
        precision = np.where(predicted > 0, hits / predicted, np.nan)
    return data_frame(
        {
            "class": np.unique(labels),
            "n": n,
            "precision": precision,
            "recall": hits / n,
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
        }
    )


def confusion_of(sides: Sides, labels: NDArray[Any]) -> Any:
    """Count predictions: a DataFrame with true classes as rows."""
    classes, codes = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (codes, sides.mixture.argmax(axis=1)), 1)
    frame = data_frame(counts, index=classes, columns=classes)
    return frame.rename_axis(index="true", columns="predicted")


def sure_from(
    mixture: NDArray[Any], labels: NDArray[Any], *, counted: NDArray[np.bool_]
) -> float:
    """Least probability of a prediction that is not called uncertain.

    The least one at and above which predictions of held-out photos were right as often
    as :data:`SURE_ACCURACY` says, but at least one half. Above 1 if nothing reached
    that: then all are uncertain.

    Parameters
    ----------
    mixture : ndarray of shape (n, n_classes)
        Of :func:`held_out_rows`, with the parameters of the model whose predictions the
        probability is for.
    labels : ndarray of shape (n,)
    counted : ndarray of shape (n,), bool
        False where a label looks wrong: another prediction is no evidence there that
        the model was wrong.

    Returns
    -------
    float
    """
    codes = np.unique(labels, return_inverse=True)[1][counted]
    mixture = mixture[counted]
    best = mixture.max(axis=1)
    right = mixture.argmax(axis=1) == codes
    order = np.argsort(-best, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Of equal probabilities all count, or none.
    last = np.append(np.diff(best[order]) != 0, True)
    enough = np.flatnonzero(last & (share >= SURE_ACCURACY))
    return max(0.5, float(best[order][enough[-1]])) if len(enough) else 1.01
