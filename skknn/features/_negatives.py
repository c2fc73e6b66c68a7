"""Latents of training images that an objective's views are compared with."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..extraction import n_workers, show_progress

if TYPE_CHECKING:
    from ..gradients._blocks import BlockExtractor
    from ..modalities import ItemSource
    from ._work import LatentsWork


def encode_negatives(
    work_of: "Callable[[BlockExtractor, str], LatentsWork]",
    blocks: "BlockExtractor",
    items: "ItemSource",
    *,
    n_jobs: int | None,
    verbose: int,
) -> "BlockExtractor":
    """Encode views of training images drawn at random, once.

    Parameters
    ----------
    work_of : callable
        From blocks and the name of an objective to the work on its latents.
    blocks : BlockExtractor
    items : ItemSource
        Training images.
    n_jobs : int or None
    verbose : int

    Returns
    -------
    BlockExtractor
        With a bank for each objective that asks for one.
    """
    for name, objective in blocks.state.objectives.items():
        if objective.n_bank_images == 0:
            continue
        some = items.rows(blocks.state.bank_rows(name, len(items)))
        what = f"{name} negatives"
        with show_progress(verbose, len(some), what, items.unit) as shown:
            rows = work_of(blocks, name)(some, n_workers(n_jobs), shown)
        blocks = blocks.with_state(blocks.state.with_bank(name, rows.values))
    return blocks
