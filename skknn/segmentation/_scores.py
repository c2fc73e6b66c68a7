"""Mean intersection over union of label maps, whatever the labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import ConfusionMeter

_VOID = -1


class Scores:
    """Counts of several settings of a segmenter, image after image.

    Classes are counted by their place, so that memory does not depend on how large
    labels are. Labels that were not in fit share a place: none of them is ever
    predicted, and each has the score 0.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Those of fit, sorted.
    ignore_index : int or None
        Label of void pixels.
    shape : (int, int)
        Numbers of settings.
    """

    def __init__(
        self, classes: NDArray, ignore_index: int | None, shape: tuple[int, int]
    ) -> None:
        labels = classes.tolist()
        self._ignore_index, self._n_classes = ignore_index, len(labels)
        self._places = {label: place for place, label in enumerate(labels)}
        # A class of fit that is void by now is never right.
        self._predicted = np.array(
            [_VOID if label == ignore_index else i for i, label in enumerate(labels)]
        )
        self._others: set[int] = set()
        self._meters = [
            [ConfusionMeter(self._n_classes + 1, _VOID) for _ in range(shape[1])]
            for _ in range(shape[0])
        ]

    def truth(self, mask: NDArray) -> NDArray[np.intp]:
        """Return the places of a mask's labels, for :meth:`update`."""
        labels, inverse = np.unique(mask, return_inverse=True)
        places = [self._place(label) for label in labels.tolist()]
        return np.array(places, dtype=np.intp)[inverse.reshape(mask.shape)]

    def update(self, i: int, j: int, truth: NDArray, predicted: NDArray) -> None:
        """Count an image of a setting, from places of classes."""
        self._meters[i][j].update(truth, self._predicted[predicted])

    def mean_iou(self) -> NDArray[np.float64]:
        """Return the scores of all settings; NaN where no class was seen."""
        return np.array([[self._mean(meter) for meter in row] for row in self._meters])

    def _place(self, label: Any) -> int:
        if label == self._ignore_index:
            return _VOID
        if label not in self._places:
            self._others.add(label)
        return self._places.get(label, self._n_classes)

    def _mean(self, meter: ConfusionMeter) -> float:
        scores = meter.iou()[: self._n_classes]
        scores = np.r_[scores[~np.isnan(scores)], np.zeros(len(self._others))]
        return float(scores.mean()) if scores.size else float("nan")
