"""Displays: what a fitted model did, as data and as a picture.

Each display holds plain arrays and draws them in ``plot``; matplotlib is loaded there
and nowhere else.
"""

from ._cka import CKADisplay, linear_cka
from ._hard_examples import HardExamplesDisplay
from ._neighbors import NeighborsDisplay
from ._per_class import PerClassDisplay
from ._segmentation import SegmentationDisplay
from ._tuning import TuningDisplay

__all__ = [
    "CKADisplay",
    "HardExamplesDisplay",
    "NeighborsDisplay",
    "PerClassDisplay",
    "SegmentationDisplay",
    "TuningDisplay",
    "linear_cka",
]
