"""Mean intersection over union of label maps."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._confusion import ConfusionMeter, as_labels


def mean_iou(
    y_true: Any,
    y_pred: Any,
    *,
    n_classes: int | None = None,
    ignore_index: int | None = None,
    absent: str = "skip",
    matching: str | None = None,
) -> float:
    """Mean intersection over union, from the pixels of all maps together.

    Parameters
    ----------
    y_true, y_pred : array-like of integers, or lists of such
        True and predicted class numbers: one map, an array (n, H, W) of maps, or a
        list of maps, which may differ in size.
    n_classes : int, default=None
        Classes are 0 to ``n_classes - 1``; None takes them from the labels.
    ignore_index : int, default=None
        Pixels whose true label is this one do not count.
    absent : {"skip", "zero"}, default="skip"
        Whether a class that is neither in truth nor in predictions is left out of
        the mean, or takes part with 0, as some published evaluations have it: a
        perfect prediction then scores less than 1.
    matching : {None, "hungarian"}, default=None
        "hungarian" renames predicted classes for the best score. Right for clusters;
        of predictions with names it hides systematic mistakes.

    Returns
    -------
    float
        NaN where no class was seen.

    Raises
    ------
    ValueError
        If shapes differ or a label is no class.
    TypeError
        If labels are no integers.

    See Also
    --------
    ConfusionMeter : The same, image after image, with the score of each class.

    Examples
    --------
    >>> from skknn.metrics import mean_iou
    >>> round(mean_iou([[0, 0, 1, 2]], [[0, 1, 1, 2]]), 4)
    0.6667
    >>> mean_iou([[0, 0, 255]], [[0, 0, 1]], ignore_index=255)
    1.0
    """
    if n_classes is None:
        n_classes = _count_classes(y_true, y_pred, ignore_index)
    meter = ConfusionMeter(n_classes, ignore_index)
    for true, predicted in _pairs(y_true, y_pred):
        meter.update(true, predicted)
    return meter.mean_iou(absent=absent, matching=matching)


def _pairs(y_true: Any, y_pred: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(y_true, np.ndarray) and isinstance(y_pred, np.ndarray):
        yield y_true, y_pred
        return
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_true has {len(y_true)} maps, y_pred {len(y_pred)}: one prediction for "
            "each is needed."
        )
    yield from zip(y_true, y_pred, strict=True)


def _count_classes(y_true: Any, y_pred: Any, ignore_index: int | None) -> int:
    largest = 0
    for true, predicted in _pairs(y_true, y_pred):
        for labels, name in ((true, "y_true"), (predicted, "y_pred")):
            found = as_labels(labels, name)
            if ignore_index is not None:
                found = found[found != ignore_index]
            largest = max(largest, int(found.max(initial=0)))
    return largest + 1
