"""FUNGI: views -> losses -> per-image gradients of one layer -> +-1 projection."""

from .objectives import DINOObjective, KLObjective, Objective, SimCLRObjective

__all__ = ["DINOObjective", "KLObjective", "Objective", "SimCLRObjective"]
