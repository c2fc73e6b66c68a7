"""What fit draws for gradients of single positions, in one frozen object."""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._objective_identity import objective_identity
from ._random import Head, draw_head, generator
from .objectives import PatchSimCLRObjective

if TYPE_CHECKING:
    from ..backbones import DenseExtractor


@dataclass(frozen=True, eq=False)
class PatchState:
    """All that gradients of positions depend on besides the backbone.

    Attributes
    ----------
    layer : str
        Name of the differentiated layer.
    objective : PatchSimCLRObjective
    head : (weight, bias)
        From vectors of the last feature map to latents.
    projection_dim : int or None
        Width of a projected gradient; None keeps pairs.
    seed : int
    support : ndarray of shape (n_support, token_width), float32
        Training patches among which negatives are looked for.
    """

    layer: str
    objective: PatchSimCLRObjective
    head: Head
    projection_dim: int | None
    seed: int
    support: NDArray[np.float32]

    def support_rows(self, n_images: int) -> NDArray[np.intp]:
        """Draw the training images that give patches: all, or one for each patch."""
        count = min(n_images, self.objective.n_support)
        rng = generator(self.seed, "support images", self.objective.name)
        return np.sort(rng.choice(n_images, count, replace=False))

    def support_patches(
        self, row: int, n_images: int, n_patches: int
    ) -> NDArray[np.intp]:
        """Draw patches of a training image: each gives equally many, or all it has.

        Parameters
        ----------
        row : int
            Its number.
        n_images : int
            That give patches.
        n_patches : int
            Of this image.
        """
        count = min(n_patches, -(-self.objective.n_support // n_images))
        rng = generator(self.seed, "support", self.objective.name, str(row))
        return rng.choice(n_patches, count, replace=False)

    def with_support(self, support: NDArray[np.float32]) -> "PatchState":
        """Return a state with patches, at most as many as the objective asks for."""
        wanted = self.objective.n_support
        if len(support) > wanted:
            # By lot: the first ones would be those of the first images.
            rng = generator(self.seed, "support sample", self.objective.name)
            support = support[np.sort(rng.choice(len(support), wanted, replace=False))]
        return replace(self, support=support)

    def settings(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return what a row depends on besides the image, as plain JSON.

        Parameters
        ----------
        identity : dict
            The extractor's.
        """
        return objective_identity(self.objective) | {
            "extractor": identity,
            "block": "patch gradients",
            "layer": self.layer,
            "seed": self.seed,
            "projection_dim": self.projection_dim,
            "support": hashlib.blake2b(self.support.tobytes()).hexdigest(),
        }


def draw_patch_state(
    extractor: "DenseExtractor",
    *,
    objective: PatchSimCLRObjective,
    layer: str,
    projection_dim: int | None,
    seed: int,
) -> PatchState:
    """Draw a head and choose the layer; the support comes later.

    Parameters
    ----------
    extractor : DenseExtractor
        One that gives tokens.
    objective : PatchSimCLRObjective
    layer : str
        Name, or "auto".
    projection_dim : int or None
        None keeps pairs.
    seed : int
    """
    from ._layer_choice import choose_layer

    width = extractor.token_width
    rng = generator(seed, "head", objective.name, "patches")
    return PatchState(
        layer=choose_layer(extractor.module, layer),
        objective=objective,
        head=draw_head(rng, width, objective.head_dim),
        projection_dim=projection_dim,
        seed=seed,
        support=np.zeros((0, width), np.float32),
    )
