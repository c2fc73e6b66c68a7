"""Forward passes that record autograd from one layer's output on."""

import torch
from timm.models import vision_transformer as vit
from torch import nn
from torch.nn import functional as F

from ._hooks import InputTap, LayerTap

_TOLERANCE = {"float32": 1e-4, "bf16": 5e-2}


class TappedForward:
    """The module as it is, with the graph cut at the layer by a hook.

    Use within ``with forward.open():``.
    """

    def __init__(self, network):
        self.network, self.tap = network, LayerTap(network.layer)

    def open(self):
        """Hook the module; unhook it at the end, also after an error."""
        return self.tap.open()

    def __call__(self, x):
        """Return embeddings, layer inputs and layer outputs of normalised views.

        Returns
        -------
        embeddings : tensor of shape (n, E)
        inputs, outputs : list of tensors
            One a call of the layer; ``embeddings`` depends on ``outputs``.
        """
        return self.tap.run(self.network.features, x)

    def embed(self, x):
        """Return the same embeddings without recording anything."""
        return self.network.features(x)


class OneTokenForward:
    """The last block of a token-pooled ViT, computed for the pooled token alone.

    Only that token's row of the attention output reaches the embedding. With one
    query, keys need not be formed (q . W_k x = W_k' q . x) and values are summed
    before W_v instead of after it, so the block costs next to nothing. The same
    numbers but for rounding.
    """

    def __init__(self, network):
        self.network = network
        self.model = network.module
        self.block = self.model.blocks[-1]
        self.tap = InputTap(self.block)

    def open(self):
        """Hook the module; unhook it at the end, also after an error."""
        return self.tap.open()

    def __call__(self, x):
        network = self.network
        with torch.no_grad(), network.autocast():
            tokens = self.tap.run(self.model, x)
            a = self._attend(tokens)
            stay = tokens[:, :1].clone()
        with torch.enable_grad(), network.autocast():
            block, model = self.block, self.model
            y = block.attn.proj(a).detach().requires_grad_()
            x = stay + block.ls1(block.attn.proj_drop(y))
            x = x + block.ls2(block.mlp(block.norm2(x)))
            x = model.fc_norm(model.norm(x)[:, 0])
            embeddings = model.head(model.head_drop(x)).float()
        return embeddings, [a], [y]

    def embed(self, x):
        """Return the same embeddings without recording anything."""
        return self(x)[0].detach()

    def _attend(self, tokens):
        attn = self.block.attn
        n, _, width = tokens.shape
        heads, size = attn.num_heads, attn.head_dim
        tokens = self.block.norm1(tokens)
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


def make_forward(network):
    """Return the cheapest forward pass that gives exact gradients of its layer.

    Parameters
    ----------
    network : Network
    """
    general, extractor = TappedForward(network), network.extractor
    if extractor.pooling != "auto" or not _fits_one_token(network):
        return general
    special = OneTokenForward(network)
    # The block is spelled out above: compare it with timm's own, once.
    height, width = extractor.data_config["input_size"][1:]
    ramp = torch.linspace(0, 255, 3 * height * width, device=extractor.device)
    x = network.normalize(ramp.view(1, 3, height, width).byte())
    with torch.no_grad(), special.open():
        ours, theirs = special.embed(x), network.features(x)
    error = (ours - theirs).norm() / theirs.norm().clamp_min(1e-30)
    return special if error < _TOLERANCE[extractor.precision] else general


def _fits_one_token(network):
    """Tell whether the module is timm's plain ViT with a class token, the layer its
    last attention projection."""
    model, layer = network.module, network.layer
    if type(model) is not vit.VisionTransformer or model.global_pool != "token":
        return False
    block = model.blocks[-1]
    attn = getattr(block, "attn", None)
    return (
        type(block) is vit.Block
        and type(attn) is vit.Attention
        and layer is attn.proj
        and isinstance(model.head, nn.Identity)
        and model.attn_pool is None
        and getattr(attn, "gate", None) is None
        and all(
            isinstance(getattr(attn, name, nn.Identity()), nn.Identity)
            for name in ("q_norm", "k_norm", "norm")
        )
    )
