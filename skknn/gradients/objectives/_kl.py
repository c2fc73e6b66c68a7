"""KL divergence from the uniform distribution (F Algorithm 1)."""

import math
import numbers

from ...utils._sklearn import Interval
from ._objective import Objective


class KLObjective(Objective):
    """KL(U || softmax(h(e) / T)) of the un-augmented image.

    Parameters
    ----------
    temperature : float, default=15.0
        T (F Table 12).
    head_dim : int, default=768
        Outputs of the random head h.

    See Also
    --------
    DINOObjective, SimCLRObjective, FungiTransformer

    Examples
    --------
    >>> from skknn import KLObjective
    >>> KLObjective(temperature=10.0)
    KLObjective(temperature=10.0)
    """

    name = "kl"
    plain_view = True

    _parameter_constraints = {
        "temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 2, None, closed="left")],
    }

    def __init__(self, temperature=15.0, head_dim=768):
        self.temperature = temperature
        self.head_dim = head_dim

    def loss(self, latents, bank):
        logits = latents / self.temperature
        n_classes = logits.shape[-1]
        value = -logits.log_softmax(-1).mean(-1) - math.log(n_classes)
        # The derivative p - 1/C is written out: then it is exactly zero for uniform
        # logits, where automatic differentiation leaves rounding noise that
        # normalisation would blow up to a unit row.
        slope = logits.softmax(-1).detach() - 1.0 / n_classes
        linear = (slope * logits).sum(-1)
        return (value.detach() + linear - linear.detach()).sum(1)
