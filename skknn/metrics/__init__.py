"""Scores of dense predictions and of rankings, as the field's protocols define them.

``_confusion`` counts pixels of any number of images into one small table, of which
``_mean_iou`` is the usual score. ``_average_precision`` scores rankings with rows that
do not count (junk); ``_revisited`` puts them together for the three setups of the
revisited Oxford and Paris benchmarks.
"""

from ._average_precision import (
    average_precision_at_ranks,
    mean_average_precision,
    retrieval_scores,
)
from ._confusion import ConfusionMeter
from ._mean_iou import mean_iou
from ._revisited import revisited_retrieval_scores

__all__ = [
    "ConfusionMeter",
    "average_precision_at_ranks",
    "mean_average_precision",
    "mean_iou",
    "retrieval_scores",
    "revisited_retrieval_scores",
]
