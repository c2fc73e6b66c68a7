"""Whether a layer is given items one behind the other, as gradients of each need."""

import torch
from torch import nn


def check_items_first(
    module: nn.Module,
    one: list[torch.Tensor],
    several: list[torch.Tensor],
    n_items: int,
) -> None:
    """Refuse a layer whose gradient would mix items that are computed together.

    Modules that put tokens before items, (L, n, E), give their layers rows in another
    order, and where n divides L that would not show.

    Parameters
    ----------
    module : torch.nn.Module
        The backbone.
    one, several : lists of tensors
        What the layer got in each of its calls for one item, and for some.
    n_items : int
        How many these are.

    Raises
    ------
    ValueError
        If several items are not as many times as long as one.
    """
    of_one, of_several = ([len(each) for each in inputs] for inputs in (one, several))
    if of_several != [n_items * length for length in of_one]:
        raise ValueError(
            "The layer whose gradients are taken is not given items one behind the "
            f"other by {type(module).__name__} (its input is {of_one} long for one "
            f"item, {of_several} for {n_items}): perhaps tokens come first, (tokens, "
            "items, width), and gradients would be of several items. Choose another "
            "layer=, or another backbone; in a module of your own, batch_first=True."
        )
