"""KL divergence from the uniform distribution (F Algorithm 1)."""

import math
import numbers
from typing import TYPE_CHECKING

from ...utils._sklearn import Interval
from ._objective import Objective

if TYPE_CHECKING:
    import torch


class KLObjective(Objective):
    """KL(U || softmax(h(e) / T)) of the un-augmented image.

    The first objective of FUNGI [1]_ (F below).

    Parameters
    ----------
    temperature : float, default=15.0
        T (F Table 12).
    head_dim : int, default=768
        Outputs of the random head h.

    See Also
    --------
    DINOObjective, SimCLRObjective, FungiTransformer

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn import KLObjective
    >>> KLObjective(temperature=10.0)
    KLObjective(temperature=10.0)
    """

    name = "kl"
    plain_view = True

    _param_remedies = {
        "temperature": "Use a positive number; 15 is the published one.",
        "head_dim": "Use at least 2 classes of the random head; 768 is the published "
        "number.",
    }
    _parameter_constraints = {
        "temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 2, None, closed="left")],
    }

    def __init__(self, temperature: float = 15.0, head_dim: int = 768) -> None:
        self.temperature = temperature
        self.head_dim = head_dim

    def loss(
        self, latents: "torch.Tensor", bank: "torch.Tensor | None"
    ) -> "torch.Tensor":
        logits = latents / self.temperature
        n_classes = logits.shape[-1]
        value = -logits.log_softmax(-1).mean(-1) - math.log(n_classes)
        # The derivative p - 1/C is written out: then it is exactly zero for uniform
        # logits, where automatic differentiation leaves rounding noise that
        # normalisation would blow up to a unit row.
        slope = logits.softmax(-1).detach() - 1.0 / n_classes
        linear = (slope * logits).sum(-1)
        return (value.detach() + linear - linear.detach()).sum(1)
