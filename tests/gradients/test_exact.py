"""Rows equal plain per-image float64 autograd, for every family and objective."""

import numpy as np
import pytest
import torch
from fungi_references import (
    FAMILIES,
    SerialFungi,
    noise_images,
    reference_gradients,
    relative_error,
    unit,
)
from torch import nn

from skknn import DINOObjective, SimCLRObjective

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=3, head_dim=64),
    SimCLRObjective(n_views=9, n_negatives=3),
)


def fungi_for(backbone, params=None, image_size=None, **kwargs):
    settings = {"objectives": OBJECTIVES, "device": "cpu"} | kwargs
    return SerialFungi(backbone, params, image_size, **settings)


def assert_exact(fungi, X, tolerance=1e-5):
    """Gradients against autograd, features against the same R."""
    features = fungi.transform(X)
    for name, part in fungi.feature_slices_.items():
        if name == "embedding":
            continue
        reference = reference_gradients(fungi, X, name)
        assert np.linalg.norm(reference, axis=1).min() > 0
        assert relative_error(fungi.gradients(X, name), reference) < tolerance, name
        scaled = reference / np.abs(reference).max(axis=1, keepdims=True)
        projected = unit(fungi.project(scaled))
        assert relative_error(features[:, part], projected) < tolerance, name


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family):
    name, params, size = FAMILIES[family]
    X = noise_images(3)
    fungi = fungi_for(name, params, size).fit(X)
    assert_exact(fungi, X)
    module = fungi.backbone_.module
    with torch.no_grad():
        pixels = torch.from_numpy(fungi.views(X, "kl")[:, 0])
        embedding = module.double()(pixels.double()).numpy()
    module.float()
    ours = fungi.transform(X)[:, fungi.feature_slices_["embedding"]]
    assert relative_error(ours, unit(embedding)) < 1e-5


@pytest.mark.parametrize("block", [0, 5])
@pytest.mark.parametrize("layer", ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"])
def test_layers_of_any_block(block, layer):
    X = noise_images(2)
    fungi = fungi_for("test_vit", image_size=32, layer=f"blocks.{block}.{layer}").fit(X)
    assert_exact(fungi, X)


@pytest.mark.parametrize("layer", ["conv_stem", "blocks.1.0.conv_pw", "conv_head"])
def test_layers_of_a_cnn(layer):
    # conv_stem: 3 x 3, stride 2, padded as TensorFlow does, by the layer itself.
    X = noise_images(2)
    fungi = fungi_for("tf_efficientnet_lite0", image_size=32, layer=layer).fit(X)
    assert_exact(fungi, X)


class EveryConv(nn.Module):
    """A strided, padded, dilated conv with bias, used twice, then changed in place."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.conv = nn.Conv2d(4, 4, (3, 2), padding=(2, 1), dilation=(2, 2))
        self.down = nn.Conv2d(4, 6, 1, stride=2, bias=False)
        self.last = nn.Conv2d(6, 6, 2, padding="same")
        # SimCLR's gradient is well conditioned only where views differ.
        with torch.no_grad():
            for weight in self.parameters():
                weight.mul_(2)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        x = torch.tanh(self.conv(x))
        x = self.conv(x)
        x.mul_(0.5).tanh_()
        return torch.tanh(self.last(torch.tanh(self.down(x)))).mean((2, 3))


def every_conv():
    return EveryConv()


@pytest.mark.parametrize("layer", ["stem", "conv", "down", "last"])
def test_every_form_of_convolution(layer):
    X = noise_images(2)
    fungi = fungi_for(every_conv, image_size=32, layer=layer).fit(X)
    assert_exact(fungi, X)


def test_repeating_the_forward_changes_nothing(monkeypatch):
    from skknn.gradients import _engine

    X = noise_images(2)
    once = fungi_for("test_vit", image_size=32, layer="blocks.0.attn.qkv").fit(X)
    expected = once.transform(X)
    monkeypatch.setattr(_engine, "_GRAPH_BYTES", 0)
    again = fungi_for("test_vit", image_size=32, layer="blocks.0.attn.qkv").fit(X)
    np.testing.assert_array_equal(again.transform(X), expected)


def test_one_token_form_is_used_and_equals_the_general_one(monkeypatch):
    from skknn.gradients import _forward

    X = noise_images(3)
    fungi = fungi_for("test_vit", image_size=32).fit(X)
    fast = fungi.transform(X)
    assert type(fungi.blocks.engine.forward) is _forward.OneTokenForward
    monkeypatch.setattr(_forward, "fits_one_token", lambda *args: False)
    general = fungi_for("test_vit", image_size=32).fit(X)
    slow = general.transform(X)
    assert type(general.blocks.engine.forward) is _forward.HookedForward
    np.testing.assert_allclose(fast, slow, atol=3e-6)


@pytest.mark.parametrize("params", [{"qkv_bias": False}, {"qk_norm": True}])
def test_variants_of_attention(params):
    X = noise_images(2)
    settings = {"depth": 1, "embed_dim": 24, "num_heads": 2} | params
    assert_exact(fungi_for("vit_tiny_patch16_224", settings, 32).fit(X), X)


def test_rank_one_gradients_multiply_by_factors():
    # For a layer called on one token: <G_s, G_t> = (a_s . a_t + 1)(b_s . b_t).
    X = noise_images(4)
    fungi = fungi_for("test_vit", image_size=32, objectives="kl").fit(X)
    G = fungi.gradients(X, "kl").astype(np.float64)
    rows, columns = fungi.blocks.engine.shape
    matrices = G.reshape(len(X), rows, columns)
    a, b = matrices[:, :, :-1], matrices[:, :, -1]
    # b is the bias column; a follows from W's columns: G = b a'.
    a = np.einsum("nr,nrc->nc", b, a) / (b * b).sum(1, keepdims=True)
    np.testing.assert_allclose(G @ G.T, (a @ a.T + 1) * (b @ b.T), rtol=1e-4)


def test_gradients_scaled_by_1e_12_still_give_unit_rows():
    X = noise_images(3)
    name, params, size = FAMILIES["vit_avg"]
    fungi = fungi_for(name, params | {"init_values": 1e-12}, size).fit(X)
    features = fungi.transform(X)
    for part in fungi.feature_slices_.values():
        norms = np.linalg.norm(features[:, part], axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)
    assert_exact(fungi, X)


def test_bf16_is_near_float32(bf16):
    X = noise_images(3)
    for name, params, size in (FAMILIES["vit_cls"], FAMILIES["efficientnet_lite"]):
        exact = fungi_for(name, params, size).fit(X).transform(X)
        rough = fungi_for(name, params, size, precision=bf16).fit(X).transform(X)
        assert (exact != rough).any()
        for part in np.split(np.arange(exact.shape[1]), 4):
            cosine = (exact[:, part] * rough[:, part]).sum(axis=1)
            assert cosine.min() > 0.98
