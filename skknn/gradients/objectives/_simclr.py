"""Contrast between the windows of one image and those of others (SimCLR)."""

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils._sklearn import Interval
from ..views import Frame, cut_windows, window_side
from ._info_nce import InfoNCE

if TYPE_CHECKING:
    import torch


class SimCLRObjective(InfoNCE):
    """InfoNCE over overlapping windows against fixed negatives.

    Equation 5 of FUNGI [1]_.

    The image is resized to the model's input size S, cut into windows of side S/2
    on a regular grid (7 x 7 with stride floor(S/12) for 49), each resized to S. The
    loss is the mean over ordered pairs i != j of the image's windows of
    -log(exp(s_ij/T) / sum_{k != i} exp(s_ik/T)), with cosine similarities s and k
    over the image's other windows and all windows of the negative images.

    Parameters
    ----------
    n_views : int, default=49
        Windows; a square number of at least 4. 16 or 25 are cheaper.
    n_negatives : int, default=256
        Images whose windows are negatives, drawn from the training rows at ``fit``;
        all rows when there are fewer. 0 leaves the positives alone.
    temperature : float, default=0.07
        T.
    head_dim : int, default=96
        Outputs of the random head.

    See Also
    --------
    KLObjective, DINOObjective, FungiTransformer

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn import SimCLRObjective
    >>> SimCLRObjective(n_views=16, n_negatives=64)
    SimCLRObjective(n_negatives=64, n_views=16)
    """

    name = "simclr"
    modalities = ("image",)

    _param_remedies = {
        "n_views": "Use a square number of views, such as 49.",
        "n_negatives": "Use a number of training images from 0 on; 256 is published.",
        "temperature": "Use a positive number; 0.07 is published.",
        "head_dim": "Use the width of the random head; 96 is published.",
    }
    _parameter_constraints = {
        "n_views": [Interval(numbers.Integral, 4, None, closed="left")],
        "n_negatives": [Interval(numbers.Integral, 0, None, closed="left")],
        "temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_views: int = 49,
        n_negatives: int = 256,
        temperature: float = 0.07,
        head_dim: int = 96,
    ) -> None:
        self.n_views = n_views
        self.n_negatives = n_negatives
        self.temperature = temperature
        self.head_dim = head_dim

    def draw(self, rng: np.random.Generator) -> None:
        window_side(self.n_views)
        return None

    def cut(self, pixels: "torch.Tensor", frame: Frame, drawn: Any) -> "torch.Tensor":
        return frame.resize(pixels[:, None], frame.size)

    def expand(self, views: "torch.Tensor", frame: Frame) -> "torch.Tensor":
        windows = cut_windows(views[:, 0], window_side(self.n_views))
        return frame.resize(windows, frame.view_size)
