"""Whether a layer is given items one behind the other, as gradients of each need."""

import math

import torch
from torch import nn

# Numbers of a column tell rows apart that differ by more than this share of their size:
# bfloat16 was seen to change them by 0.006.
_ROUNDING = 0.02
# What those of an item change by with others beside it, as a share of how much rows
# differ: 1.4 of it in another order; and how many of the columns may change so.
_OTHER_ROWS, _FEW_COLUMNS = 0.5, 0.05
_N_LOOKED_AT = 4


def looked_at(n_items: int) -> list[int]:
    """Return the items that are computed alone, to be compared: first, last, others."""
    places = torch.linspace(0, n_items - 1, _N_LOOKED_AT, device="cpu")
    return sorted(set(places.round().int().tolist()))


def items_are_first(
    module: nn.Module,
    alone: dict[int, list[torch.Tensor]],
    several: list[torch.Tensor],
    n_items: int,
) -> bool:
    """Refuse a layer whose gradient would mix items that are computed together.

    Modules that put tokens before items, (L, n, E), or sort items by their length, give
    their layers rows in another order.

    Parameters
    ----------
    module : torch.nn.Module
        The backbone.
    alone : dict of int -> list of tensors
        Item -> what the layer got in each of its calls for it alone.
    several : list of tensors
        What it got for all.
    n_items : int
        How many these are.

    Returns
    -------
    bool
        Whether rows differ enough to tell: those of silence, or of a black image, may
        be in any order.

    Raises
    ------
    ValueError
        If several items are not as many times as long as one, or in another order.
    """
    for one in alone.values():
        of_one, of_several = [len(each) for each in one], [len(x) for x in several]
        if of_several != [n_items * length for length in of_one]:
            raise _mixed(
                module,
                f"its input is {of_one} long for one item, {of_several} for {n_items}",
            )
        if any(a.shape[1:] != b.shape[1:] for a, b in zip(one, several)):
            raise _mixed(module, f"its input is of another shape for {n_items} items")
    shares = [
        _changed_columns(x.detach(), each.detach(), item)
        for item, one in alone.items()
        for x, each in zip(one, several)
    ]
    found = torch.stack(shares).tolist()  # the host waits once
    if any(share > _FEW_COLUMNS for share in found):
        raise _mixed(
            module, f"the rows of its input for {n_items} items are not theirs"
        )
    return not all(map(math.isnan, found))


def _changed_columns(
    one: torch.Tensor, several: torch.Tensor, item: int
) -> torch.Tensor:
    """The share of columns in which an item has other rows with others beside it, among
    those that tell rows apart; NaN if there is none."""
    one, several = one.float().flatten(1), several.float().flatten(1)
    change = several[item * len(one) : (item + 1) * len(one)] - one
    spread = several.var(0, correction=0)
    tells = spread > _ROUNDING**2 * several.square().mean(0)
    changed = change.square().mean(0) > _OTHER_ROWS**2 * spread
    return (tells & changed).sum() / tells.sum()


def _mixed(module: nn.Module, found: str) -> ValueError:
    return ValueError(
        "The layer whose gradients are taken is not given items one behind the other "
        f"by {type(module).__name__} ({found}): perhaps tokens come first, (tokens, "
        "items, width), items are sorted, or the module draws at random, and gradients "
        "would be of several items. Choose another layer=, or another backbone; in a "
        "module of your own, batch_first=True."
    )
