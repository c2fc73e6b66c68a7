"""FUNGI: views -> losses -> per-image gradients of one layer -> +-1 projection."""

from ._dino import DINOObjective
from ._kl import KLObjective
from ._objective import Objective
from ._simclr import SimCLRObjective

__all__ = ["DINOObjective", "KLObjective", "Objective", "SimCLRObjective"]
