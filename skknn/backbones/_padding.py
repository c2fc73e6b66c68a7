"""Whether what stands behind the end of a text changes what a model makes of it."""

from typing import Any

import torch
from torch import nn

from ..utils._threads import single_threaded_torch

# Places behind a text that are tried, more than any usual convolution reaches.
_PLACES = 16
# Relative change of hidden states: rounding stays far below, and what convolutions or
# mixed tokens let in is far above.
_ROUNDING = 1e-3


def reads_padding(module: nn.Module, tokens: list[int], most: int) -> bool:
    """Tell whether a model heeds padding although its mask says not to.

    Rows of such a model would depend on the texts that share a forward pass.

    Parameters
    ----------
    module : torch.nn.Module
        A transformers encoder on the CPU.
    tokens : list of int
        Of one short text.
    most : int
        Tokens that the model takes.

    Returns
    -------
    bool
        False, too, of what cannot be asked: running it will say more.
    """
    n_places = min(_PLACES, most - len(tokens))
    if n_places < 1:
        return False
    filler = getattr(getattr(module, "config", None), "pad_token_id", None) or 0
    alone = torch.tensor([tokens], device="cpu")
    padded = torch.tensor([tokens + [filler] * n_places], device="cpu")
    mask = torch.ones_like(padded)
    mask[:, len(tokens) :] = 0
    with torch.inference_mode(), single_threaded_torch():
        try:
            plain = _states(module, alone, torch.ones_like(alone))
            beside = _states(module, padded, mask)[:, : len(tokens)]
        except (RuntimeError, IndexError, TypeError, AttributeError, ValueError):
            return False
    change = (beside - plain).norm() / plain.norm().clamp_min(1e-30)
    return bool(change > _ROUNDING)


def _states(module: Any, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return module(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
