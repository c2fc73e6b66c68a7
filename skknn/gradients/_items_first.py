"""Whether a layer is given items one behind the other, as gradients of each need."""

import torch

from ..utils._out_of_memory import is_out_of_memory
from ._engine import GradientEngine


def check_items_first(engine: GradientEngine, views: torch.Tensor) -> None:
    """Refuse a layer whose gradient would mix items that are computed together.

    Modules that put tokens before items, (L, n, E), give their layers rows in another
    order, and where n divides L that would not show.

    Parameters
    ----------
    engine : GradientEngine
    views : tensor of shape (1, ...)
        One view of some item, as the network gets it.

    Raises
    ------
    ValueError
        If two views are no twice as many rows as one.
    """
    try:
        one, two = (_lengths(engine, views, n) for n in (1, 2))
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            # Running will say so, too, and go on with less at a time.
            return
        raise
    if two != [2 * length for length in one]:
        kind = type(engine.network.module).__name__
        raise ValueError(
            "The layer whose gradients are taken is not given items one behind the "
            f"other by {kind} (its input is {one} long for one item, {two} for two): "
            "perhaps tokens come first, (tokens, items, width), and gradients would be "
            "of several items. Choose another layer=, or another backbone; in a module "
            "of your own, batch_first=True."
        )


def _lengths(engine: GradientEngine, views: torch.Tensor, n: int) -> list[int]:
    """The first axis of what the layer gets in each of its calls."""
    several = views.expand(n, *views.shape[1:])
    with engine.forward.hooked() as forward, torch.enable_grad():
        _, inputs, _ = forward(engine.network.normalize(several))
    return [len(each) for each in inputs]
