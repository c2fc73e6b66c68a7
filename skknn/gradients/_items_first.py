"""Whether a layer is given items one behind the other, as gradients of each need."""

import torch
from torch import nn

# By how much what the layer gets for an item may change with others beside it: a share
# of its norm (bfloat16 was seen to change it by 0.006), and of how much rows differ.
_ROUNDING, _OTHER_ROWS = 0.02, 0.5


def check_items_first(
    module: nn.Module,
    one: list[torch.Tensor],
    several: list[torch.Tensor],
    n_items: int,
) -> None:
    """Refuse a layer whose gradient would mix items that are computed together.

    Modules that put tokens before items, (L, n, E), give their layers rows in another
    order, and where n divides L their number would not show it.

    Parameters
    ----------
    module : torch.nn.Module
        The backbone.
    one, several : lists of tensors
        What the layer got in each of its calls for the first item, and for some.
    n_items : int
        How many these are.

    Raises
    ------
    ValueError
        If several items are not as many times as long as one, or do not begin with it.
    """
    of_one, of_several = ([len(each) for each in inputs] for inputs in (one, several))
    if of_several != [n_items * length for length in of_one]:
        found = f"its input is {of_one} long for one item, {of_several} for {n_items}"
    elif not _begins_with(one, several):
        found = (
            f"of {n_items} items, the first rows of its input are not those of the "
            "first item"
        )
    else:
        return
    raise ValueError(
        "The layer whose gradients are taken is not given items one behind the other "
        f"by {type(module).__name__} ({found}): perhaps tokens come first, (tokens, "
        "items, width), and gradients would be of several items. Choose another "
        "layer=, or another backbone; in a module of your own, batch_first=True."
    )


def _begins_with(one: list[torch.Tensor], several: list[torch.Tensor]) -> bool:
    """Tell whether several items begin with the one, but for rounding."""
    if any(a.shape[1:] != b.shape[1:] for a, b in zip(one, several)):
        return False
    differ = [_differs(a.detach(), b.detach()) for a, b in zip(one, several)]
    return not bool(torch.stack(differ).any())  # the host waits once


def _differs(one: torch.Tensor, several: torch.Tensor) -> torch.Tensor:
    change = _squared_norm(several[: len(one)].float() - one.float())
    # Around the mean row, without a copy of all rows.
    mean = several.mean(0, dtype=torch.float32)
    spread = _squared_norm(several) / len(several) - _squared_norm(mean)
    of_rows = _OTHER_ROWS**2 * len(one) * spread
    return (change > of_rows) & (change > _ROUNDING**2 * _squared_norm(one))


def _squared_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(x, dtype=torch.float32) ** 2
