"""Name, file or module -> a frozen extractor that knows its preprocessing."""

from ._digest import module_digest
from ._extractor import Extractor, build_extractor
from ._load import load_backbone
from ._pooling import POOLINGS

__all__ = [
    "POOLINGS",
    "Extractor",
    "build_extractor",
    "load_backbone",
    "module_digest",
]
