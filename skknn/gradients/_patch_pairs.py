"""Gradients of single positions as two vectors each."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PatchPairs:
    """One image's gradients: that of position t is the outer product of b_t and a_t.

    Attributes
    ----------
    inputs : tensor of shape (N, columns), float32
        The layer's inputs a, with a 1 at the end where the layer has a bias. Class and
        register tokens come first.
    slopes : tensor of shape (N, rows), float32
        The loss's gradients b at the layer's outputs, over ``2 ** exponent``.
    exponent : tensor, int
    n_prefix : int
        Positions that are none of the image.
    grid : (height, width)
        Of the other ones.
    """

    inputs: torch.Tensor
    slopes: torch.Tensor
    exponent: torch.Tensor
    n_prefix: int
    grid: tuple[int, int]
