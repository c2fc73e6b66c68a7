"""InfoNCE: an item's views against each other and against those of other items."""

import math
from typing import TYPE_CHECKING

import numpy as np

from ._objective import Objective

if TYPE_CHECKING:
    import torch


class InfoNCE(Objective):
    """Equation 5 of FUNGI, whatever the views are; base of SimCLR's objectives.

    The mean over ordered pairs i != j of an item's views of
    -log(exp(s_ij/T) / sum_{k != i} exp(s_ik/T)), with cosine similarities s of latents
    and k over the item's other views and the views of the negative items.

    Subclasses have parameters ``n_negatives`` and ``temperature``.
    """

    normalize_embedding = False  # F 5.4

    n_negatives: int
    temperature: float

    @property
    def n_bank_images(self) -> int:
        """Training items that give negatives: ``n_negatives``."""
        return self.n_negatives

    def make_bank(
        self, latents: "torch.Tensor", rng: np.random.Generator
    ) -> "torch.Tensor":
        return _unit(latents)

    def loss(
        self, latents: "torch.Tensor", bank: "torch.Tensor | None"
    ) -> "torch.Tensor":
        unit = _unit(latents)
        n_views = unit.shape[1]
        similar = unit @ unit.mT / self.temperature
        itself = similar.new_zeros(n_views, n_views).fill_diagonal_(-math.inf)
        total = (similar + itself).logsumexp(-1)
        if bank is not None and len(bank):
            flat = unit.flatten(0, 1)
            others = (flat @ (bank.mT / self.temperature)).logsumexp(-1)
            total = total.logaddexp(others.view_as(total))
        # A unit vector's similarity with itself is constant: leave it out by index.
        pairs = similar.sum(-1) - similar.diagonal(dim1=-2, dim2=-1)
        return (total - pairs / (n_views - 1)).mean(-1)


def _unit(latents: "torch.Tensor") -> "torch.Tensor":
    norms = latents.norm(dim=-1, keepdim=True)
    return latents / norms.clamp_min(1e-30)
