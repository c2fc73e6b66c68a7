"""How often each true class was predicted as each other one, image after image."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

_ABSENT = ("skip", "zero")
_MATCHINGS = (None, "hungarian")
# Pixels counted at a time: their pair codes take eight bytes each.
_BLOCK = 1 << 20


class ConfusionMeter:
    """Confusion matrix of label maps that come one after the other.

    Its size does not depend on how many pixels were seen, and what it says not on how
    they were cut into calls of :meth:`update`.

    Parameters
    ----------
    n_classes : int
        Classes are 0 to ``n_classes - 1``.
    ignore_index : int, default=None
        Pixels whose true label is this one are left out. It may be one of the
        classes, which then has no score.

    Attributes
    ----------
    counts : ndarray of shape (n_classes, n_classes + 1), int64
        Pixels by true class and predicted class. The last column counts predictions
        of an ``ignore_index`` that is no class: they are wrong.

    See Also
    --------
    mean_iou : The score of maps that are there at once.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.metrics import ConfusionMeter
    >>> meter = ConfusionMeter(2, ignore_index=255)
    >>> meter.update(np.array([[0, 1], [1, 255]]), np.array([[0, 1], [0, 1]]))
    ConfusionMeter(n_classes=2, ignore_index=255)
    >>> meter.iou()
    array([0.5, 0.5])
    """

    def __init__(self, n_classes: int, ignore_index: int | None = None) -> None:
        if not isinstance(n_classes, int | np.integer) or n_classes < 1:
            raise ValueError(
                f"n_classes={n_classes!r} must be a positive integer: the number of "
                "classes, which are 0 to n_classes - 1."
            )
        if not isinstance(ignore_index, int | np.integer | None):
            raise TypeError(
                f"ignore_index={ignore_index!r} must be an integer, the label of "
                "pixels that do not count, or None."
            )
        self.n_classes, self.ignore_index = int(n_classes), ignore_index
        self.counts = np.zeros((self.n_classes, self.n_classes + 1), dtype=np.int64)

    def update(self, y_true: ArrayLike, y_pred: ArrayLike) -> "ConfusionMeter":
        """Count the pixels of one or more label maps.

        Parameters
        ----------
        y_true, y_pred : array-like of integers
            Of one shape, whatever it is.

        Returns
        -------
        self : ConfusionMeter

        Raises
        ------
        ValueError
            If shapes differ, or a label is neither a class nor ``ignore_index``.
        TypeError
            If labels are no integers.
        """
        true, predicted = as_labels(y_true, "y_true"), as_labels(y_pred, "y_pred")
        if true.shape != predicted.shape:
            raise ValueError(
                f"y_true has shape {true.shape}, y_pred {predicted.shape}: they must "
                "be equal. Resize predictions to the masks, not masks to predictions."
            )
        true, predicted = true.reshape(-1), predicted.reshape(-1)
        counts = np.zeros_like(self.counts)
        for start in range(0, true.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            self._count(true[part], predicted[part], counts)
        self.counts += counts
        return self

    def iou(
        self, *, absent: str = "skip", matching: str | None = None
    ) -> NDArray[np.float64]:
        """Intersection over union of each class.

        Parameters
        ----------
        absent : {"skip", "zero"}, default="skip"
            What a class is given that is neither in truth nor in predictions: NaN or
            0. The class ``ignore_index`` counts as absent.
        matching : {None, "hungarian"}, default=None
            "hungarian" renames predicted classes so that the sum of all scores is
            largest, as for clusters without names.

        Returns
        -------
        ndarray of shape (n_classes,), float64
        """
        if absent not in _ABSENT:
            raise ValueError(
                f"absent={absent!r} must be 'skip' (no part of the mean) or 'zero'."
            )
        if matching not in _MATCHINGS:
            raise ValueError(f"matching={matching!r} must be None or 'hungarian'.")
        hits = self.counts[:, :-1].astype(np.float64)
        n_true, n_predicted = self.counts.sum(axis=1), self.counts[:, :-1].sum(axis=0)
        # Of every true class with every predicted one.
        unions = n_true[:, None] + n_predicted - hits
        pairs = np.divide(hits, unions, out=np.zeros_like(hits), where=unions > 0)
        columns = np.arange(self.n_classes)
        if matching == "hungarian":
            _, columns = linear_sum_assignment(-pairs)
        rows = np.arange(self.n_classes)
        scores, seen = pairs[rows, columns], unions[rows, columns] > 0
        if self.ignore_index is not None and 0 <= self.ignore_index < self.n_classes:
            seen[self.ignore_index] = False
        return np.where(seen, scores, np.nan if absent == "skip" else 0.0)

    def mean_iou(self, *, absent: str = "skip", matching: str | None = None) -> float:
        """Mean of :meth:`iou` over classes.

        Parameters
        ----------
        absent : {"skip", "zero"}, default="skip"
        matching : {None, "hungarian"}, default=None

        Returns
        -------
        float
            NaN where no class was seen.
        """
        scores = self.iou(absent=absent, matching=matching)
        scores = scores[~np.isnan(scores)]
        return float(scores.mean()) if scores.size else float("nan")

    def __repr__(self) -> str:
        ignored = "" if self.ignore_index is None else f", {self.ignore_index=}"
        ignored = ignored.replace("self.", "")
        return f"ConfusionMeter(n_classes={self.n_classes}{ignored})"

    def _count(self, true: NDArray, predicted: NDArray, counts: NDArray) -> None:
        if self.ignore_index is not None:
            kept = true != self.ignore_index
            true, predicted = true[kept], predicted[kept]
        _check_range(true, self.n_classes, "y_true", self.ignore_index)
        width = self.n_classes + 1
        predicted = predicted.astype(np.int64)
        ignored = self.ignore_index
        if ignored is not None and not 0 <= ignored < self.n_classes:
            predicted[predicted == ignored] = self.n_classes
            _check_range(predicted, width, "y_pred", ignored)
        else:
            _check_range(predicted, self.n_classes, "y_pred", ignored)
        codes = true.astype(np.int64) * width + predicted
        counts += np.bincount(codes, minlength=counts.size).reshape(counts.shape)


def as_labels(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Return labels as an array of integers.

    Raises
    ------
    TypeError
        If they are none.
    """
    found = np.asarray(labels)
    if found.dtype.kind not in "iub":
        raise TypeError(
            f"{name} has dtype {found.dtype}: label maps are integers, one class "
            "number a pixel. Take argmax of probabilities first."
        )
    return found


def _check_range(
    labels: NDArray, n_classes: int, name: str, ignore_index: int | None
) -> None:
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        odd = labels.max() if labels.max() >= n_classes else labels.min()
        raise ValueError(
            f"{name} contains {odd}, which is no class (n_classes={n_classes}) and "
            f"not ignore_index={ignore_index}. Raise n_classes, or name the void "
            "label in ignore_index."
        )
