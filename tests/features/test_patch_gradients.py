"""Gradients of positions against float64 autograd and a loss in plain loops."""

import copy

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from skknn import (
    DenseEmbedder,
    FungiTransformer,
    PatchSimCLRObjective,
    SimCLRObjective,
)

ALL_KEPT = PatchSimCLRObjective(keep=1.0, n_support=40, head_dim=16)
PUBLISHED = PatchSimCLRObjective(
    n_negatives=3,
    keep=1.0,
    n_support=40,
    head_dim=16,
    negatives="interleaved",
    denominator_temperature=False,
)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (4, 8, 12, 3), "uint8")
    return [
        Image.fromarray(image).resize((96, 64), Image.Resampling.BICUBIC)
        for image in small
    ]


def embedder_for(name, gradients=ALL_KEPT, **params):
    settings = {"image_size": 64, "random_state": 0} | params
    if isinstance(name, str):
        settings |= {"weights": None}
    return DenseEmbedder(name, gradients=gradients, **settings)


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


def test_rows_depend_on_their_image_alone(images):
    from joblib import parallel_config

    embedder = embedder_for("test_efficientnet", "simclr", batch_size=2).fit(images)
    mixed = [*images, images[0].rotate(90, expand=True)]
    whole = embedder.transform(mixed)
    assert whole[4].shape[:2] == (6, 4)
    for image, map_ in zip(mixed, whole):
        np.testing.assert_array_equal(embedder.transform([image])[0], map_)
    embedder.set_params(batch_size=1, n_jobs=2)
    for found, map_ in zip(embedder.transform(mixed), whole):
        np.testing.assert_array_equal(found, map_)
    with parallel_config("loky", n_jobs=2):
        for found, map_ in zip(embedder.transform(mixed), whole):
            np.testing.assert_array_equal(found, map_)
    raw = embedder.patch_gradients(mixed)
    assert [a.shape[0] for a, _ in raw] == [6, 6, 6, 6, 6]


def test_a_seed_gives_the_same_bits(images):
    first = embedder_for("test_vit", "simclr").fit(images)
    again = embedder_for("test_vit", "simclr").fit(images)
    other = embedder_for("test_vit", "simclr", random_state=1)
    maps = first.transform(images)
    np.testing.assert_array_equal(maps, again.transform(images))
    assert not np.array_equal(maps, other.fit_transform(images))


def test_the_support_is_patches_of_training_images(images):
    plain = DenseEmbedder("test_vit", weights=None, image_size=64, random_state=0)
    patches = plain.fit_transform(images).reshape(4, 24, -1)
    embedder = embedder_for("test_vit").fit(images)
    assert embedder.support_.shape == (40, 64)
    whose = []
    for row in embedder.support_:
        distances = np.abs(patches - row).max(axis=2)
        image, patch = np.unravel_index(distances.argmin(), distances.shape)
        assert distances.min() < 1e-5
        whose.append((image, patch))
    assert len(set(whose)) == 40
    assert np.bincount([image for image, _ in whose]).tolist() == [10] * 4
    few = embedder_for("test_vit", PatchSimCLRObjective(n_support=3)).fit(images)
    assert few.support_.shape == (3, 64)
    every = embedder_for("test_vit", "simclr").fit(images)
    assert every.support_.shape == (4 * 24, 64)


def images_of_support(embedder, plain, images):
    """The image that each patch of the support is of."""
    patches = plain.fit_transform(images)
    patches = patches.reshape(len(images), -1, patches.shape[3])
    return [
        int(np.abs(patches - row).max(axis=2).min(axis=1).argmin())
        for row in embedder.support_
    ]


def test_patches_too_many_go_by_lot(images):
    seen = set()
    for seed in range(4):
        settings = {"weights": None, "image_size": 32, "random_state": seed}
        five = PatchSimCLRObjective(n_support=5)
        embedder = DenseEmbedder("test_vit", gradients=five, **settings).fit(images)
        # Two of each image are three too many.
        plain = DenseEmbedder("test_vit", **settings)
        found = images_of_support(embedder, plain, images)
        assert len(found) == 5
        seen |= set(found)
    assert seen == {0, 1, 2, 3}


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


def test_cache(images, tmp_path, monkeypatch):
    settings = {"memory": tmp_path}
    expected = embedder_for("test_vit").fit_transform(images)
    first = embedder_for("test_vit", **settings).fit_transform(images)
    np.testing.assert_array_equal(first, expected)
    from skknn.backbones._job import EmbeddingJob

    def refuse(self, item, missing=None):
        raise AssertionError("computed again")

    second = embedder_for("test_vit", **settings).fit(images)
    second.transform(images[:1])
    with monkeypatch.context() as patched:
        patched.setattr(EmbeddingJob, "prepare", refuse)
        np.testing.assert_array_equal(second.transform(images), expected)
        with pytest.raises(AssertionError, match="computed again"):
            # Other training images: another support.
            embedder_for("test_vit", **settings).fit(images[::-1][:3]).transform(images)
    other = embedder_for("test_vit", PUBLISHED, **settings).fit_transform(images)
    assert not np.array_equal(other, expected)
    with pytest.warns(UserWarning, match="random_state"):
        embedder_for("test_vit", random_state=None, **settings).fit(images)


def test_pickles_and_clones(images):
    import pickle

    from sklearn.base import clone

    embedder = embedder_for("test_efficientnet").fit(images)
    expected = embedder.transform(images)
    again = pickle.loads(pickle.dumps(embedder))
    assert again.pair_widths_ == embedder.pair_widths_
    np.testing.assert_array_equal(again.transform(images), expected)
    np.testing.assert_array_equal(clone(embedder).fit_transform(images), expected)
    deep = embedder.get_params()
    assert deep["gradients__head_dim"] == 16


def test_bad_images(images, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    mixed = [images[0], bad, images[1]]
    embedder = embedder_for("test_vit", on_error="nan").fit(mixed)
    assert np.isfinite(embedder.support_).all()
    with pytest.warns(UserWarning, match="1 of 3 images"):
        maps = embedder.transform(mixed)
    assert np.isnan(maps[1]).all() and np.isfinite(maps[[0, 2]]).all()
    with pytest.raises(ValueError, match="none of X"):
        embedder.fit([bad])
    assert not hasattr(embedder, "support_")


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("test_vit", {"gradients": "dino"}, "gradients='dino' is not known"),
        ("test_vit", {"gradient_layer": "nothing"}, "is no layer"),
        ("test_vit", {"gradient_layer": "norm"}, "allowed are Linear"),
        (
            "test_efficientnet",
            {"gradient_layer": "blocks.4.0.se.conv_expand"},
            "sees one pooled vector",
        ),
        ("test_efficientnet", {"image_size": 32}, "one position only"),
        ("test_vit", {"gradients": PatchSimCLRObjective(keep=2)}, "keep"),
        ("test_vit", {"projection_dim": 0}, "projection_dim"),
        ("test_vit", {"gradient_form": "kernel"}, "gradient_form"),
    ],
)
def test_what_will_not_do(name, params, message, images):
    square = [image.resize((64, 64)) for image in images]
    with pytest.raises(ValueError, match=message):
        embedder_for(name, **params).fit(square)


def test_windows_are_no_positions():
    images = np.random.default_rng(0).integers(0, 256, (2, 50, 50, 3), "uint8")
    params = {
        "backbone_params": {"embed_dim": 24, "depths": (1, 1, 1, 1)},
        "image_size": (224, 448),
    }
    name = "swin_tiny_patch4_window7_224"
    inside = "layers.2.blocks.0.attn.proj"
    with pytest.raises(ValueError, match="sees 4 windows of 1 image"):
        embedder_for(name, gradient_layer=inside, **params).fit(images)
    layer = "layers.3.blocks.0.mlp.fc2"
    embedder = embedder_for(name, gradient_layer=layer, **params).fit(images)
    assert embedder.transform(images).shape[:3] == (2, 14, 28)


def test_without_gradients_there_are_none(images):
    embedder = DenseEmbedder("test_vit", weights=None, image_size=64).fit(images)
    assert embedder.layer_ is embedder.head_ is embedder.pair_widths_ is None
    assert list(embedder.feature_slices_) == ["embedding"]
    with pytest.raises(ValueError, match="gradients=None"):
        embedder.patch_gradients(images)
    for name in ("layer_", "support_", "pair_widths_", "feature_slices_"):
        assert not hasattr(DenseEmbedder(), name)


def test_the_objective_of_patches_is_no_objective_of_images(images):
    with pytest.raises(TypeError, match="DenseEmbedder"):
        FungiTransformer(
            "test_vit", weights=None, objectives=PatchSimCLRObjective()
        ).fit(images)
    with pytest.raises(ValueError, match="gradients"):
        embedder_for("test_vit", SimCLRObjective()).fit(images)


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
