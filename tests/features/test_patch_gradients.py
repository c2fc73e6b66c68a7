"""Gradients of positions against float64 autograd and a loss in plain loops."""

import copy

import numpy as np
import pytest
import timm
import torch
from patch_examples import ALL_KEPT, PUBLISHED, embedder_for, noise_pictures
from torch import nn

from skknn import PatchSimCLRObjective


@pytest.fixture(scope="module")
def images():
    return noise_pictures()


def as_input(image, module):
    config = timm.data.resolve_model_data_config(module)
    mean, std = (np.array(config[k]) for k in ("mean", "std"))
    pixels = (np.asarray(image, np.float64) / 255 - mean) / std
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def tokens_of(module, output):
    """Vectors of a last feature map, in plain order."""
    if output.ndim == 3:
        return output[0]
    if getattr(module, "output_fmt", "NCHW") == "NHWC":
        return output[0].flatten(0, 1)
    return output[0].flatten(1).T


def negatives_of(tokens, support, objective):
    """Negatives, vector by vector and number by number."""
    found = []
    count = 5 if objective.negatives == "interleaved" else objective.n_negatives
    for token in tokens:
        cosines = [float(token @ s / token.norm() / s.norm()) for s in support]
        near = [support[i] for i in np.argsort(cosines)[::-1][:count]]
        if objective.negatives == "interleaved":
            numbers = [float(x) for row in near for x in row / row.norm()]
            width = len(near[0])
            near = [
                torch.tensor([numbers[i * 5 + j] for i in range(width)])
                for j in range(5)
            ]
        found += [n.double() for n in near[: objective.n_negatives]]
    return torch.stack(found)


def loss_of(z, negatives, objective):
    """The mean over ordered pairs, pair by pair."""
    below = objective.temperature if objective.denominator_temperature else 1.0
    z = z / z.norm(dim=1, keepdim=True)
    negatives = negatives / negatives.norm(dim=1, keepdim=True)
    terms = []
    for i in range(len(z)):
        others = torch.cat([z[:i], z[i + 1 :], negatives])
        denominator = torch.exp(others @ z[i] / below).sum()
        for j in range(len(z)):
            if j != i:
                above = z[i] @ z[j] / objective.temperature
                terms.append(torch.log(denominator) - above)
    return torch.stack(terms).mean()


def reference(embedder, image):
    """Inputs and slopes of the layer, and its gradient, in float64."""
    module = copy.deepcopy(embedder.backbone_.module).double().cpu()
    layer = module.get_submodule(embedder.layer_).requires_grad_(True)
    calls = []
    layer.register_forward_hook(
        lambda part, args, out: (out.retain_grad(), calls.append((args[0], out)))[0]
    )
    tokens = tokens_of(module, module.forward_features(as_input(image, module)))
    objective = embedder.gradients
    weight, bias = (torch.from_numpy(x).double() for x in embedder.head_)
    support = torch.from_numpy(embedder.support_).double()
    negatives = negatives_of(tokens.detach(), support, objective)
    latents, others = (x @ weight.T + bias for x in (tokens, negatives))
    loss_of(latents, others, objective).backward()
    ((a, out),) = calls
    b, a = out.grad, a.detach()
    if isinstance(layer, nn.Conv2d):
        a = nn.functional.unfold(
            a, layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )[0].T
        b = b[0].flatten(1).T
    else:
        a, b = a.flatten(0, -2), b.flatten(0, -2)
    total = layer.weight.grad.flatten(1)
    if layer.bias is not None:
        a = torch.cat([a, a.new_ones(len(a), 1)], 1)
        total = torch.cat([total, layer.bias.grad[:, None]], 1)
    return a.numpy(), b.numpy(), total.numpy()


def relative(found, expected):
    error = np.linalg.norm(np.float64(found) - expected)
    return error / np.linalg.norm(expected)


def vit_with_registers():
    params = {"depth": 2, "embed_dim": 32, "num_heads": 2, "img_size": 56}
    return timm.create_model(
        "vit_small_patch14_reg4_dinov2", num_classes=0, dynamic_img_size=True, **params
    )


FAMILIES = {
    "vit": ("test_vit", "auto"),
    "vit, an earlier block": ("test_vit", "blocks.3.mlp.fc1"),
    "efficientnet": ("test_efficientnet", "auto"),
    "efficientnet, stride 16": ("test_efficientnet", "blocks.3.0.conv_pwl"),
    "efficientnet, 3 x 3 with stride 2": ("test_efficientnet", "conv_stem"),
    "convnext": ("test_convnext", "auto"),
}


@pytest.mark.parametrize("gradients", [ALL_KEPT, PUBLISHED], ids=["paper", "code"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_autograd(family, gradients, images):
    name, layer = FAMILIES[family]
    embedder = embedder_for(name, gradients, gradient_layer=layer).fit(images)
    found = embedder.patch_gradients(images[:2])
    for image, (a, b) in zip(images, found):
        a_true, b_true, total = reference(embedder, image)
        assert np.linalg.norm(b_true) > 0
        assert relative(a, a_true) < 1e-5
        assert relative(b, b_true) < 1e-5
        assert relative(np.float64(b).T @ np.float64(a), total) < 1e-5


def test_registers_have_gradients_but_no_place_in_the_map(images):
    module = vit_with_registers()
    embedder = embedder_for(module, image_size=(56, 84)).fit(images)
    ((a, b),) = embedder.patch_gradients(images[:1])
    assert a.shape == (5 + 24, 33) and b.shape == (5 + 24, 32)
    map_ = embedder.transform(images[:1])[0]
    places = embedder.feature_slices_
    assert map_.shape[:2] == (4, 6)
    np.testing.assert_allclose(
        map_[..., places["slopes"]].reshape(24, -1), unit(b[5:]), atol=1e-6
    )


def unit(rows):
    rows = np.asarray(rows, np.float64)
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_maps_are_features_and_pairs_of_length_one(name, images):
    embedder = embedder_for(name, image_size=128).fit(images)
    maps = embedder.transform(images)
    assert embedder.n_channels_ == maps.shape[3] == sum(embedder.pair_widths_)
    plain = embedder_for(name, None, image_size=128).fit_transform(images)
    places = embedder.feature_slices_
    np.testing.assert_allclose(maps[..., places["embedding"]], unit(plain), atol=1e-6)
    for map_, (a, b) in zip(maps, embedder.patch_gradients(images)):
        height, width = map_.shape[:2]
        n_prefix = embedder.backbone_.module.num_prefix_tokens if "vit" in name else 0
        fine = height * width == len(a) - n_prefix
        h, w = (height, width) if fine else (height // 2, width // 2)
        for key, rows in {"inputs": a, "slopes": b}.items():
            coarse = unit(rows[n_prefix:]).reshape(h, w, -1)
            # A position of a coarser grid serves all positions of the map in it.
            expected = coarse.repeat(height // h, 0).repeat(width // w, 1)
            np.testing.assert_allclose(map_[..., places[key]], expected, atol=1e-6)


def test_projected_gradients(images):
    embedder = embedder_for("test_vit", gradient_form="projected", projection_dim=24)
    maps = embedder.fit_transform(images)
    assert embedder.pair_widths_ is None and maps.shape[3] == 64 + 24
    a, b = embedder.patch_gradients(images[1:2])[0]
    products = unit(b)[1:, :, None] * unit(a)[1:, None, :]
    from skknn.gradients._projection import SignProjection

    columns = 64 * 65
    # The seed is part of the state; the signs follow from it.
    bits = SignProjection(columns, 24, embedder.seed_).bits()
    signs = 1.0 - 2.0 * np.unpackbits(bits, axis=1)[:, :columns]
    expected = unit(products.reshape(-1, columns) @ signs.T)
    found = maps[1].reshape(-1, 88)[:, embedder.feature_slices_["gradient"]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    default = embedder_for("test_vit", gradient_form="projected").fit(images)
    assert default.n_channels_ == 128


def test_projection_keeps_similarities_roughly(images):
    pairs = embedder_for("test_vit").fit(images)
    a, b = pairs.patch_gradients(images[:1])[0]
    exact = (unit(a) @ unit(a).T * (unit(b) @ unit(b).T))[1:, 1:]
    projected = embedder_for("test_vit", gradient_form="projected", projection_dim=512)
    maps = projected.fit_transform(images[:1] + images[1:])
    g = maps[0].reshape(24, -1)[:, projected.feature_slices_["gradient"]]
    error = g @ g.T - exact
    assert np.sqrt((error**2).mean()) < 2 / np.sqrt(512)


def test_what_is_dropped(images):
    near = torch.arange(24.0).reshape(4, 2, 3)
    draws = [
        PatchSimCLRObjective(keep=keep).choose(near, np.random.default_rng(0))
        for keep in (0.0, 0.5, 1.0)
    ]
    assert draws[0].shape == (0, 3) and draws[2].shape == (8, 3)
    rows = {tuple(row) for row in draws[1].tolist()}
    assert 0 < len(rows) < 8
    assert rows < {tuple(row) for row in near.flatten(0, 1).tolist()}
    alone = PatchSimCLRObjective(keep=0.0, n_support=40, head_dim=16)
    embedder = embedder_for("test_vit", alone).fit(images)
    a, b = embedder.patch_gradients(images[:1])[0]
    assert np.isfinite(b).all() and np.abs(b).max() > 0 and len(a) == 25


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_cuda_gives_the_same_gradients(name, images):
    settings = {"precision": "float32", "image_size": 128}
    here = embedder_for(name, device="cpu", **settings).fit(images)
    there = embedder_for(name, device="cuda", batch_size=3, **settings).fit(images)
    for (a, b), (c, d) in zip(
        here.patch_gradients(images), there.patch_gradients(images)
    ):
        assert relative(c, a) < 1e-4 and relative(d, b) < 1e-3
    error = np.abs(here.transform(images) - there.transform(images)).max()
    assert error < 1e-3
