"""Neighbour search: the k nearest rows of queries, or of the rows themselves.

An engine is made by name (``_engines``) from ``_rows``, what searches need to know of
an index, and offers what ``_engine`` says. ``_auto`` chooses one: those in ``exact``,
in ``approximate`` (may miss some), ``_external`` (a user's).
"""

from ._auto import AutoEngine
from ._engine import Engine, Neighbors
from ._engines import ALGORITHMS, APPROXIMATE, make_engine
from ._external import ExternalEngine
from ._rows import IndexRows, RowMemory

__all__ = [
    "ALGORITHMS",
    "APPROXIMATE",
    "AutoEngine",
    "Engine",
    "ExternalEngine",
    "IndexRows",
    "Neighbors",
    "RowMemory",
    "make_engine",
]
