"""Forward passes that record autograd from one layer's output on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.models import vision_transformer as vit
from torch import nn
from torch.nn import functional as F

from ..backbones._hooks import GraphHook, StopHook
from ..backbones._network import Network
from ..backbones._precision import RESPELLED

# Embeddings, and inputs and outputs of each call of the layer.
Recorded = tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]


class HookedForward:
    """The module as it is, with the graph cut at the layer by a hook.

    Parameters
    ----------
    network : Network
    layer : str
        Name of the layer whose gradient is taken.
    """

    def __init__(self, network: Network, layer: str) -> None:
        self._network, self._layer = network, layer

    @contextmanager
    def hooked(self) -> Iterator[Callable[[torch.Tensor], Recorded]]:
        """Hook the module; unhook it at the end, also after an error.

        Yields
        ------
        callable
            Normalised views -> embeddings (n, E), and lists of the layer's inputs and
            outputs, one a call of it; the embeddings depend on the outputs. Sees the
            calls of the threads that use it, so others may hook the module, too.
        """
        hook = GraphHook(self._layer)
        with hook.on(self._network.module.get_submodule(self._layer)):
            yield lambda x: hook.run(self._network.features, x)


class OneTokenForward:
    """The last block of a token-pooled ViT, computed for the pooled token alone.

    Only that token's row of the attention output reaches the embedding. With one
    query, keys need not be formed (q . W_k x = W_k' q . x) and values are summed
    before W_v instead of after it, so the block costs next to nothing. The same
    numbers but for rounding.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._model: Any = network.module
        blocks = network.module.get_submodule("blocks")
        self._block: Any = list(blocks.children())[-1]

    @contextmanager
    def hooked(self) -> Iterator[Callable[[torch.Tensor], Recorded]]:
        """As :meth:`HookedForward.hooked`."""
        hook = StopHook("the last block", "input")
        with hook.on(self._block):
            yield lambda x: self._run(hook, x)

    def _run(self, hook: StopHook, x: torch.Tensor) -> Recorded:
        block, model = self._block, self._model
        with torch.no_grad(), self._network.autocast():
            tokens = hook.run(model, x)
            a = self._attend(tokens)
            stay = tokens[:, :1].clone()
        # Recorded also where only the embedding is wanted, which so has the same bits
        # whatever else is computed.
        with torch.enable_grad(), self._network.autocast():
            y = block.attn.proj(a).detach().requires_grad_()
            x = stay + block.ls1(block.attn.proj_drop(y))
            x = x + block.ls2(block.mlp(block.norm2(x)))
            x = model.fc_norm(model.norm(x)[:, 0])
            embeddings = model.head(model.head_drop(x)).float()
        return embeddings, [a], [y]

    def _attend(self, tokens: torch.Tensor) -> torch.Tensor:
        attn = self._block.attn
        n, _, width = tokens.shape
        heads, size = attn.num_heads, attn.head_dim
        tokens = self._block.norm1(tokens)
        weight = attn.qkv.weight.view(3, heads, size, width)
        bias = None if attn.qkv.bias is None else attn.qkv.bias.view(3, heads * size)
        q = F.linear(
            tokens[:, 0], weight[0].flatten(0, 1), None if bias is None else bias[0]
        )
        q = q.view(n, heads, size) * size**-0.5
        # The keys' bias adds the same to every score of a head: softmax ignores it.
        scores = torch.einsum("nhs,hsw->nhw", q, weight[1]) @ tokens.mT
        mixed = scores.softmax(-1).to(tokens.dtype) @ tokens
        out = torch.einsum("nhw,hsw->nhs", mixed, weight[2]).flatten(1)
        if bias is not None:
            # The attention weights of a head sum to 1.
            out = out + bias[2]
        return out[:, None]


def choose_forward(network: Network, layer: str) -> HookedForward | OneTokenForward:
    """Return the cheapest forward pass that gives exact gradients of a layer.

    Parameters
    ----------
    network : Network
    layer : str
    """
    general = HookedForward(network, layer)
    if not fits_one_token(network.module, layer) or network.pooled.pooling != "auto":
        return general
    special = OneTokenForward(network)
    # The block is spelled out above: compare it with timm's own, once.
    height, width = network.size
    ramp = torch.linspace(0, 255, 3 * height * width, device="cpu")
    x = network.normalize(ramp.view(1, 3, height, width).byte())
    with torch.no_grad(), special.hooked() as forward:
        ours, theirs = forward(x)[0], network.features(x)
    error = (ours - theirs).norm() / theirs.norm().clamp_min(1e-30)
    return special if error < RESPELLED[network.precision] else general


def fits_one_token(model: nn.Module, layer: str) -> bool:
    """Tell whether a module is timm's plain ViT with a class token, the layer its
    last attention projection."""
    if type(model) is not vit.VisionTransformer or model.global_pool != "token":
        return False
    block = model.blocks[-1]
    attn = getattr(block, "attn", None)
    return (
        type(block) is vit.Block
        and type(attn) is vit.Attention
        and model.get_submodule(layer) is attn.proj
        and isinstance(model.head, nn.Identity)
        and model.attn_pool is None
        and getattr(attn, "gate", None) is None
        and all(
            isinstance(getattr(attn, name, nn.Identity()), nn.Identity)
            for name in ("q_norm", "k_norm", "norm")
        )
    )
