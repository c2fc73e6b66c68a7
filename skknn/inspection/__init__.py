"""Displays: what a fitted model did, as data and as a picture.

Each display holds plain arrays and draws them in ``plot``; matplotlib is loaded there
and nowhere else. The page about a folder of photos is made by the stage ``report``. R
and F are cited as in ``classifiers`` and ``gradients``.
"""

from ..report import write_report
from ._block_weights import BlockWeightsDisplay
from ._cka import CKADisplay, linear_cka
from ._hard_examples import HardExamplesDisplay
from ._label_audit import LabelAudit
from ._learning_curve import LearningCurveDisplay
from ._neighbors import NeighborsDisplay
from ._per_class import PerClassDisplay
from ._segmentation import SegmentationDisplay
from ._tuning import TuningDisplay

__all__ = [
    "BlockWeightsDisplay",
    "CKADisplay",
    "HardExamplesDisplay",
    "LabelAudit",
    "LearningCurveDisplay",
    "NeighborsDisplay",
    "PerClassDisplay",
    "SegmentationDisplay",
    "TuningDisplay",
    "linear_cka",
    "write_report",
]
