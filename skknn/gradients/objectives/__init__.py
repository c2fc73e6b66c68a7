"""One self-supervised loss a file, their base class, and the names they go by."""

from ._dino import DINOObjective
from ._kl import KLObjective
from ._objective import Objective
from ._registry import resolve_objectives
from ._simclr import SimCLRObjective

__all__ = [
    "DINOObjective",
    "KLObjective",
    "Objective",
    "SimCLRObjective",
    "resolve_objectives",
]
