"""What FUNGI draws at fit, in one frozen object."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..utils._slices import side_by_side
from ._objective_identity import objective_identity
from ._random import Head, draw_head, generator
from .objectives import Objective

if TYPE_CHECKING:
    from ..backbones import FrozenExtractor

EMBEDDING = "embedding"


@dataclass(frozen=True)
class FungiState:
    """All that the rows of a fitted transformer depend on besides the backbone.

    Pickles leave out the heads where they are what the seed gives, the same bits on
    any machine: they are drawn again.

    Attributes
    ----------
    layer : str
        Name of the differentiated layer.
    objectives : dict name -> Objective
        In the order of their blocks.
    heads : dict name -> dict head name -> (weight, bias)
    drawn : dict name -> object
        What ``Objective.draw`` gave.
    projection_dim : int
        Width of a projected gradient.
    include_embedding : bool
        Whether the embedding is the last block.
    view_size : (height, width) or None
        Of SimCLR's windows and DINO's local crops; None where items are no images.
    seed : int
    n_features : int
        Width of the embedding.
    banks : dict name -> ndarray of shape (rows, head_dim), float32
        Latents of training images' views, for objectives that compare with them.
    bank_digests : dict name -> str
    include_view_embeddings : bool
        Whether objectives with views of their own have a block of their mean
        embedding.
    """

    layer: str
    objectives: Mapping[str, Objective]
    heads: Mapping[str, Mapping[str, Head]]
    drawn: Mapping[str, Any]
    projection_dim: int
    include_embedding: bool
    view_size: tuple[int, int] | None
    seed: int
    n_features: int
    banks: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    bank_digests: Mapping[str, str] = field(default_factory=dict)
    include_view_embeddings: bool = False

    def __getstate__(self) -> dict[str, Any]:
        kept = dict(vars(self))
        drawn = _draw_heads(self.objectives, self.n_features, self.seed)
        if _same_heads(self.heads, drawn):
            del kept["heads"]
        return kept

    def __setstate__(self, kept: dict[str, Any]) -> None:
        # Pickles of an earlier version, and those of what they gave, have their heads.
        if "heads" not in kept:
            what = kept["objectives"], kept["n_features"], kept["seed"]
            kept = kept | {"heads": _draw_heads(*what)}
        vars(self).update(kept)

    @property
    def view_blocks(self) -> dict[str, str]:
        """Block of mean embeddings -> the objective whose views they are of."""
        if not self.include_view_embeddings:
            return {}
        return {
            f"{name}_views": name
            for name, objective in self.objectives.items()
            if not objective.plain_view
        }

    @property
    def widths(self) -> dict[str, int]:
        """Width of every block, in the order of a row."""
        widths = dict.fromkeys(self.objectives, self.projection_dim)
        widths |= dict.fromkeys(self.view_blocks, self.n_features)
        if self.include_embedding:
            widths[EMBEDDING] = self.n_features
        return widths

    @property
    def slices(self) -> dict[str, slice]:
        """Where every block is in a row."""
        return side_by_side(self.widths)

    @property
    def width(self) -> int:
        """Length of a row."""
        return sum(self.widths.values())

    def bank_rows(self, name: str, n_images: int) -> NDArray[np.intp]:
        """Draw the training rows whose latents an objective needs.

        Parameters
        ----------
        name : str
            Key of :attr:`objectives`.
        n_images : int
            Training rows there are.

        Returns
        -------
        ndarray of int
            All rows in some order where there are fewer than the objective asks for;
            none where it asks for none.
        """
        count = min(self.objectives[name].n_bank_images, n_images)
        rng = generator(self.seed, "bank images", name)
        return rng.choice(n_images, count, replace=False)

    def with_bank(self, name: str, latent_rows: NDArray[np.float32]) -> "FungiState":
        """Return a state that knows an objective's latents of training images.

        Parameters
        ----------
        name : str
        latent_rows : ndarray of shape (images, V * head_dim)
            Rows that are not finite (images that could not be read) are left out.
        """
        rows = latent_rows[np.isfinite(latent_rows).all(axis=1)]
        head_dim = next(iter(self.objectives[name].head_dims().values()))
        # A stored row has the same bits, so the digest finds its blocks again.
        digest = hashlib.blake2b(rows.tobytes()).hexdigest()
        return replace(
            self,
            banks={**self.banks, name: rows.reshape(-1, head_dim)},
            bank_digests={**self.bank_digests, name: digest},
        )

    def settings(
        self, block: str, identity: dict[str, Any], *, bank: bool = False
    ) -> dict[str, Any]:
        """Return what a block depends on besides the image, as plain JSON.

        What cannot be written down shows in the answers of ``_probe``.

        Parameters
        ----------
        block : str
            Key of :attr:`widths`.
        identity : dict
            The extractor's.
        bank : bool
            For the latents of training images instead of the block itself.
        """
        settings: dict[str, Any] = {
            "extractor": identity,
            "block": EMBEDDING,
            # Which way of computing is exact for a layer decides on the last bits.
            "layer": self.layer,
        }
        if block == EMBEDDING:
            return settings
        name = self.view_blocks.get(block, block)
        kind = "gradient" if name == block else "view embeddings"
        settings |= objective_identity(self.objectives[name])
        settings |= {
            "block": "bank" if bank else kind,
            "name": name,
            "seed": self.seed,
            "view_size": repr(self.view_size),
        }
        if not bank and name == block:
            settings |= {
                "projection_dim": self.projection_dim,
                "bank": self.bank_digests.get(block),
            }
        return settings


def draw_state(
    extractor: "FrozenExtractor",
    *,
    objectives: Mapping[str, Objective],
    layer: str,
    projection_dim: int | None,
    include_embedding: bool,
    view_size: Any,
    seed: int,
    include_view_embeddings: bool = False,
) -> FungiState:
    """Draw heads and crop boxes and choose the layer; latents come later.

    Parameters
    ----------
    extractor : FrozenExtractor
    objectives : dict name -> Objective
    layer : str
        Name, or "auto".
    projection_dim : int or None
        None takes the embedding's width.
    include_embedding : bool
    view_size : int, (height, width) or None
        None takes the input size.
    seed : int
    include_view_embeddings : bool

    Raises
    ------
    ValueError
        If an objective has the name of another one's block.
    """
    from ._layer_choice import choose_layer

    n_features = extractor.n_features
    state = FungiState(
        layer=choose_layer(extractor.module, layer),
        objectives=dict(objectives),
        heads=_draw_heads(objectives, n_features, seed),
        drawn={
            name: objective.draw(generator(seed, "views", name))
            for name, objective in objectives.items()
        },
        projection_dim=projection_dim or n_features,
        include_embedding=bool(include_embedding),
        view_size=_view_size(extractor, view_size),
        seed=seed,
        n_features=n_features,
        include_view_embeddings=bool(include_view_embeddings),
    )
    for name in objectives:
        if name in state.view_blocks:
            raise ValueError(
                f"objectives: {name!r} is also the name of the block of mean "
                f"embeddings of {state.view_blocks[name]!r}. Give the objective "
                "another name, or use include_view_embeddings=False."
            )
    return state


def _draw_heads(
    objectives: Mapping[str, Objective], n_features: int, seed: int
) -> dict[str, dict[str, Head]]:
    """Draw each head from a stream of its own."""
    return {
        name: {
            head: draw_head(generator(seed, "head", name, head), n_features, dim)
            for head, dim in objective.head_dims().items()
        }
        for name, objective in objectives.items()
    }


def _same_heads(
    one: Mapping[str, Mapping[str, Head]], other: Mapping[str, Mapping[str, Head]]
) -> bool:
    return one.keys() == other.keys() and all(
        heads.keys() == other[name].keys()
        and all(
            np.array_equal(a, b)
            for head in heads
            for a, b in zip(heads[head], other[name][head])
        )
        for name, heads in one.items()
    )


def _view_size(extractor: Any, wanted: Any) -> tuple[int, int] | None:
    if extractor.modality != "image":
        return None
    if wanted is None:
        wanted = extractor.data_config["input_size"][1:]
    height, width = wanted if hasattr(wanted, "__len__") else [wanted] * 2
    return int(height), int(width)
