"""InfoNCE: an item's views against each other and against those of other items."""

import math
import numbers
from typing import TYPE_CHECKING

import numpy as np

from ...utils._sklearn import Interval
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
        return unit_latents(latents)

    def loss(
        self, latents: "torch.Tensor", bank: "torch.Tensor | None"
    ) -> "torch.Tensor":
        return contrast(unit_latents(latents), bank, self.temperature, self.temperature)


class KeyedInfoNCE(InfoNCE):
    """The same with views that follow from an item and a number drawn in ``fit``.

    Subclasses have the parameters ``n_views``, ``n_negative_views`` and ``head_dim``
    as well.
    """

    _parameter_constraints: dict = {
        "n_views": [Interval(numbers.Integral, 2, None, closed="left")],
        "n_negatives": [Interval(numbers.Integral, 0, None, closed="left")],
        "n_negative_views": [Interval(numbers.Integral, 1, None, closed="left")],
        "temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 1, None, closed="left")],
    }

    n_negative_views: int

    @property
    def n_bank_views(self) -> int:
        """The first views of each negative: ``n_negative_views``."""
        return self.n_negative_views

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(2**63))


def contrast(
    unit: "torch.Tensor",
    bank: "torch.Tensor | None",
    temperature: float,
    denominator_temperature: float,
) -> "torch.Tensor":
    """InfoNCE of every item's latents against each other and those of a bank.

    Parameters
    ----------
    unit : tensor of shape (n, V, d)
        Of length 1.
    bank : tensor of shape (K, d) or None
        Of length 1.
    temperature, denominator_temperature : float
        Of the similarities in the numerator, and of those in the denominator.

    Returns
    -------
    tensor of shape (n,)
    """
    n_views = unit.shape[1]
    cosine = unit @ unit.mT
    similar = cosine / temperature
    itself = similar.new_zeros(n_views, n_views).fill_diagonal_(-math.inf)
    total = (cosine / denominator_temperature + itself).logsumexp(-1)
    if bank is not None and len(bank):
        flat = unit.flatten(0, 1)
        others = (flat @ (bank.mT / denominator_temperature)).logsumexp(-1)
        total = total.logaddexp(others.view_as(total))
    # A unit vector's similarity with itself is constant: leave it out by index.
    pairs = similar.sum(-1) - similar.diagonal(dim1=-2, dim2=-1)
    return (total - pairs / (n_views - 1)).mean(-1)


def unit_latents(latents: "torch.Tensor") -> "torch.Tensor":
    """Return latents of length 1; those of 0 stay 0."""
    norms = latents.norm(dim=-1, keepdim=True)
    return latents / norms.clamp_min(1e-30)
