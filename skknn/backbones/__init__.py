"""Name, file or module -> a frozen extractor that knows its preprocessing."""

from ._digest import module_digest
from ._extractor import Extractor, build_extractor
from ._load import load_backbone
from ._memory import is_out_of_memory, release_memory
from ._pooling import POOLINGS

__all__ = [
    "POOLINGS",
    "Extractor",
    "build_extractor",
    "is_out_of_memory",
    "load_backbone",
    "module_digest",
    "release_memory",
]
