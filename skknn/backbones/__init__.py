"""Name, file or module -> a frozen extractor that knows its preprocessing."""

from ._extractor import Extractor
from ._load import load_backbone

__all__ = ["Extractor", "load_backbone"]
