"""Contrast between the patches of one image and their neighbours in others."""

import numbers
from typing import TYPE_CHECKING

import numpy as np

from ...utils._sklearn import Interval, StrOptions
from ._info_nce import contrast, unit_latents
from ._objective import Objective

if TYPE_CHECKING:
    import torch

# Neighbours that the published code retrieves and mixes.
_N_MIXED = 5


class PatchSimCLRObjective(Objective):
    """InfoNCE over the patches of one image against similar patches of others.

    Section B.2 of FUNGI [1]_, for ``DenseEmbedder(gradients=...)``. The vectors of
    the last feature map (class tokens included) go through a random linear head. The
    loss of an image is the mean over ordered pairs i != j of them of
    -log(exp(s_ij/T) / sum_{k != i} exp(s_ik/T)), with cosine similarities s and k over
    the image's other vectors and the negatives: of each vector the nearest ones in a
    support of training patches, some of which are dropped at random.

    Parameters
    ----------
    n_negatives : int, default=2
        Nearest support patches of every vector.
    keep : float, default=0.5
        Share of them, drawn once in ``fit``, that is not dropped.
    temperature : float, default=0.07
        T.
    head_dim : int, default=96
        Outputs of the random head.
    n_support : int, default=10240
        Training patches in the support, as many of each image. (Published: as many as
        the bank of the evaluation.) They are part of a pickle.
    negatives : {"neighbors", "interleaved"}, default="neighbors"
        "neighbors" takes the nearest patches, as the paper says. "interleaved" is what
        the published code does, and its numbers come from: five neighbours of length 1
        are mixed by a wrong reshape, entry i of negative j being number i * 5 + j of
        the neighbours' entries in one row.
    denominator_temperature : bool, default=True
        Whether similarities in the denominator are divided by T, too. The published
        code does not: False.

    See Also
    --------
    DenseEmbedder, SimCLRObjective

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    As the published code does it:

    >>> from skknn import PatchSimCLRObjective
    >>> PatchSimCLRObjective(negatives="interleaved", denominator_temperature=False)
    PatchSimCLRObjective(denominator_temperature=False, negatives='interleaved')
    """

    name = "simclr"
    normalize_embedding = False

    _param_remedies = {
        "n_negatives": "Use a number of support patches of each vector from 1 on; 2 is "
        "published.",
        "keep": "Use the share of negatives that stays, from 0 to 1; 0.5 is published.",
        "temperature": "Use a positive number; 0.07 is published.",
        "head_dim": "Use the width of the random head; 96 is published.",
        "n_support": "Use a number of training patches from 1 on, such as 10240.",
        "negatives": "'neighbors' is what the paper says, 'interleaved' what the "
        "published code does.",
        "denominator_temperature": "True is what the paper says, False what the "
        "published code does.",
    }
    _parameter_constraints = {
        "n_negatives": [Interval(numbers.Integral, 1, None, closed="left")],
        "keep": [Interval(numbers.Real, 0, 1, closed="both")],
        "temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_support": [Interval(numbers.Integral, 1, None, closed="left")],
        "negatives": [StrOptions({"neighbors", "interleaved"})],
        "denominator_temperature": ["boolean"],
    }

    def __init__(
        self,
        n_negatives: int = 2,
        keep: float = 0.5,
        temperature: float = 0.07,
        head_dim: int = 96,
        n_support: int = 10240,
        negatives: str = "neighbors",
        denominator_temperature: bool = True,
    ) -> None:
        self.n_negatives = n_negatives
        self.keep = keep
        self.temperature = temperature
        self.head_dim = head_dim
        self.n_support = n_support
        self.negatives = negatives
        self.denominator_temperature = denominator_temperature

    @property
    def n_retrieved(self) -> int:
        """Neighbours that :meth:`choose` needs of every vector."""
        mixed = self.negatives == "interleaved"
        return max(self.n_negatives, _N_MIXED) if mixed else self.n_negatives

    def choose(self, near: "torch.Tensor", rng: np.random.Generator) -> "torch.Tensor":
        """Turn neighbours into negatives.

        Parameters
        ----------
        near : tensor of shape (V, n_retrieved, E)
            Support patches, the nearest first; fewer where the support is smaller.
        rng : numpy.random.Generator
            In the same state for every image.

        Returns
        -------
        tensor of shape (K, E)
        """
        import torch

        from ...backbones._transfer import sent

        if self.negatives == "interleaved":
            n, count, width = near.shape
            near = unit_latents(near).reshape(n, width, count).mT
        near = near[:, : self.n_negatives]
        kept = np.flatnonzero(rng.random(near.shape[:2]) < self.keep)
        # A mask would make the host wait for the device, once an image.
        places = sent(torch.from_numpy(kept), near.device)
        return near.flatten(0, 1).index_select(0, places)

    def draw(self, rng: np.random.Generator) -> None:
        raise TypeError(
            "PatchSimCLRObjective has no views of an image: it is for "
            "DenseEmbedder(gradients=...). For whole images use SimCLRObjective."
        )

    def make_bank(
        self, latents: "torch.Tensor", rng: np.random.Generator
    ) -> "torch.Tensor":
        return unit_latents(latents)

    def loss(
        self, latents: "torch.Tensor", bank: "torch.Tensor | None"
    ) -> "torch.Tensor":
        below = self.temperature if self.denominator_temperature else 1.0
        return contrast(unit_latents(latents), bank, self.temperature, below)
