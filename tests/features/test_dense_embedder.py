"""Maps of features against timm's own forward passes, written out."""

import pickle

import joblib
import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.base import clone

from skknn import DenseEmbedder
from skknn.modalities import BadImageError


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (60, 90, 3), "uint8")) for _ in range(3)
    ]


def module_of(embedder):
    return embedder.backbone_.module.float()


def as_input(image, size, module):
    """Bicubic resize and scaling, by hand."""
    config = timm.data.resolve_model_data_config(module)
    pixels = np.asarray(image.resize(size[::-1], Image.Resampling.BICUBIC), np.float32)
    mean, std = (np.array(config[k], np.float32) for k in ("mean", "std"))
    return torch.from_numpy((pixels / 255 - mean) / std).permute(2, 0, 1)[None]


def random(name, **params):
    settings = {"weights": None, "random_state": 0, "device": "cpu"}
    return DenseEmbedder(name, **settings | params)


@pytest.mark.parametrize(
    ("name", "patch", "prefix"),
    [("test_vit", 16, 1), ("vit_tiny_patch16_224", 16, 1), ("test_vit4", 16, 1)],
)
def test_tokens_are_those_of_the_transformer(name, patch, prefix, images):
    embedder = random(name, image_size=64).fit(images)
    maps = embedder.transform(images)
    assert maps.shape == (3, 4, 6, embedder.n_channels_) and maps.dtype == np.float32
    module = module_of(embedder)
    with torch.no_grad():
        tokens = module.forward_features(as_input(images[1], (64, 96), module))
    prefix = module.num_prefix_tokens
    expected = tokens[0, prefix:].reshape(4, 6, -1).numpy()
    np.testing.assert_allclose(maps[1], expected, atol=1e-4)


def test_registers_are_no_positions(images):
    name = "vit_small_patch14_reg4_dinov2"
    params = {"depth": 2, "embed_dim": 32, "num_heads": 2, "img_size": 56}
    module = timm.create_model(name, num_classes=0, dynamic_img_size=True, **params)
    embedder = DenseEmbedder(module, image_size=(56, 84), device="cpu").fit(images)
    maps = embedder.transform(images)
    assert maps.shape == (3, 4, 6, 32)
    own = module_of(embedder)
    with torch.no_grad():
        tokens = own.forward_features(as_input(images[0], (56, 84), own))
    assert tokens.shape[1] == 5 + 24
    expected = tokens[0, 5:].reshape(4, 6, -1).numpy()
    np.testing.assert_allclose(maps[0], expected, atol=1e-4)


def test_an_earlier_block(images):
    embedder = random("test_vit", layer=1, image_size=64).fit(images)
    module = module_of(embedder)
    taken = []
    handle = module.blocks[1].register_forward_hook(lambda *a: taken.append(a[2]))
    with torch.no_grad():
        module.forward_features(as_input(images[0], (64, 96), module))
    handle.remove()
    expected = taken[0][0, 1:].reshape(4, 6, -1).numpy()
    np.testing.assert_allclose(embedder.transform(images[:1])[0], expected, atol=1e-4)
    assert embedder.layers_ == ("blocks.1",)


def stage_outputs(module, names, x):
    taken = {}
    handles = [
        module.get_submodule(n).register_forward_hook(
            lambda m, a, out, n=n: taken.__setitem__(n, out.clone())
        )
        for n in names
    ]
    with torch.no_grad():
        taken[None] = module.forward_features(x)
    for handle in handles:
        handle.remove()
    return taken


def test_several_layers_on_one_grid(images):
    embedder = random("test_efficientnet", image_size=64).fit(images)
    maps = embedder.transform(images)
    assert embedder.layers_ == ("blocks.2", "blocks.3", "blocks.4", None)
    module = module_of(embedder)
    x = as_input(images[2], (64, 96), module)
    taken = stage_outputs(module, embedder.layers_[:3], x)
    parts = [
        F.normalize(F.adaptive_avg_pool2d(taken["blocks.2"], (4, 6))),
        F.normalize(taken["blocks.3"]),
        *(
            F.normalize(F.interpolate(taken[n], (4, 6), mode="bilinear"))
            for n in ("blocks.4", None)
        ),
    ]
    expected = torch.cat(parts, 1)[0].permute(1, 2, 0).numpy()
    assert maps.shape == (3, *expected.shape)
    np.testing.assert_allclose(maps[2], expected, atol=1e-4)


def test_a_list_of_layers_takes_the_finest_grid_unless_told(images):
    layers = ["layer2", "layer3", None]
    fine = random("test_resnet", layer=layers, image_size=64).fit_transform(images)
    assert fine.shape[:3] == (3, 8, 12)
    coarse = random("test_resnet", layer=layers, image_size=64, stride=32)
    assert coarse.fit_transform(images).shape[:3] == (3, 2, 3)


def test_auto_leaves_out_a_last_stage_that_is_the_last_map(images):
    embedder = random("test_resnet", image_size=64).fit(images)
    assert embedder.layers_ == ("layer2", "layer3", None)


@pytest.mark.parametrize("name", ["test_convnext", "test_nfnet", "test_vit"])
def test_families(name, images):
    maps = random(name, image_size=64).fit_transform(images)
    assert maps.shape[:3] == (3, 4, 6) and np.isfinite(maps).all()


def test_windows_of_fixed_size():
    images = np.zeros((1, 50, 50, 3), np.uint8)
    name = "swin_tiny_patch4_window7_224"
    params = {"backbone_params": {"embed_dim": 24, "depths": (1, 1, 1, 1)}}
    embedder = random(name, image_size=(224, 448), **params).fit(images)
    assert embedder.transform(images).shape[:3] == (1, 14, 28)


def test_images_of_several_sizes_give_a_list(images):
    mixed = [
        images[0],
        Image.new("RGB", (60, 60), "red"),
        images[1].rotate(90, expand=True),
    ]
    embedder = random("test_vit", image_size=64).fit(mixed)
    maps = embedder.transform(mixed)
    assert [m.shape[:2] for m in maps] == [(4, 6), (4, 4), (6, 4)]
    for image, found in zip(mixed, maps):
        np.testing.assert_array_equal(embedder.transform([image])[0], found)
    one_size = random("test_vit", image_size=(64, 32)).fit_transform(mixed)
    assert one_size.shape[:3] == (3, 4, 2)
    own = random("test_vit", image_size=None).fit_transform(mixed)
    assert [m.shape[:2] for m in own] == [(4, 6), (4, 4), (6, 4)]


def test_grids_of_equal_length_are_not_confused(images):
    turned = images[0].rotate(90, expand=True)
    maps = random("test_vit", image_size=64).fit_transform([images[0], turned])
    assert [m.shape[:2] for m in maps] == [(4, 6), (6, 4)]


def test_rows_do_not_depend_on_neighbours_batches_or_threads(images):
    embedder = random("test_efficientnet", image_size=64).fit(images)
    whole = embedder.transform(images)
    np.testing.assert_array_equal(embedder.transform(images[2:])[0], whole[2])
    embedder.set_params(batch_size=1, n_jobs=2)
    np.testing.assert_array_equal(embedder.transform(images), whole)


def test_processes(images):
    from joblib import parallel_config

    mixed = [*images, Image.new("RGB", (60, 60), "red")]
    embedder = random("test_vit", image_size=64, batch_size=1).fit(mixed)
    expected = embedder.transform(mixed)
    with parallel_config("loky", n_jobs=2):
        found = embedder.transform(mixed)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


def test_cache(images, tmp_path, monkeypatch):
    mixed = [*images, Image.new("RGB", (60, 60), "red")]
    settings = {"image_size": 64, "memory": tmp_path}
    expected = random("test_vit", image_size=64).fit(mixed).transform(mixed)
    first = random("test_vit", **settings).fit(mixed).transform(mixed)
    second = random("test_vit", **settings).fit(mixed)
    from skknn.backbones._job import EmbeddingJob

    def refuse(self, item, missing=None):
        raise AssertionError("computed again")

    second.transform(mixed[:1])
    monkeypatch.setattr(EmbeddingJob, "prepare", refuse)
    again = second.transform(mixed)
    for one, two, three in zip(first, again, expected):
        np.testing.assert_array_equal(one, three)
        np.testing.assert_array_equal(two, three)
    with pytest.raises(AssertionError, match="computed again"):
        random("test_vit", image_size=96, memory=tmp_path).fit_transform(mixed)


def test_bad_images(images, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    mixed = [images[0], bad, images[1]]
    embedder = random("test_vit", image_size=64).fit(mixed)
    with pytest.raises(BadImageError, match=r"bad\.jpg"):
        embedder.transform(mixed)
    embedder.set_params(on_error="nan")
    with pytest.warns(UserWarning, match="1 of 3 images"):
        maps = embedder.transform(mixed)
    assert np.isnan(maps[1]).all() and np.isfinite(maps[[0, 2]]).all()
    assert embedder.failed_ == [1]
    with pytest.warns(UserWarning):
        maps = embedder.transform([images[0], bad, Image.new("RGB", (9, 9))])
    assert maps[1].shape == (1, 1, embedder.n_channels_) and np.isnan(maps[1]).all()
    with pytest.warns(UserWarning):
        assert np.isnan(embedder.transform([bad])).all()


def test_flattened_images():
    X = np.random.default_rng(0).random((4, 64))
    assert random("test_vit", image_size=32).fit_transform(X).shape == (4, 2, 2, 64)


def test_long_strips_are_squeezed():
    strip = Image.new("RGB", (1000, 10))
    assert random("test_vit", image_size=32).fit_transform([strip]).shape[:3] == (
        1,
        2,
        16,
    )


def test_pickles_and_clones(images):
    embedder = random("test_efficientnet", image_size=64).fit(images)
    expected = embedder.transform(images)
    data = pickle.dumps(embedder)
    assert len(data) < 20_000
    np.testing.assert_array_equal(pickle.loads(data).transform(images), expected)
    np.testing.assert_array_equal(
        clone(embedder).fit(images).transform(images), expected
    )


def test_bfloat16_is_near(images, bf16):
    expected = random("test_vit", image_size=64).fit_transform(images)
    found = random("test_vit", image_size=64, precision=bf16).fit_transform(images)
    assert found.dtype == np.float32
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < 0.05


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": "blocks.99"}, "layer='blocks.99' is not in the backbone"),
        ({"layer": [0, 77]}, "layer=77 is out of range"),
        ({"layer": []}, "names no layer"),
        ({"stride": 0}, "stride"),
        ({"image_size": (3, 4, 5)}, "image_size"),
    ],
)
def test_parameters_that_will_not_do(params, message, images):
    with pytest.raises(ValueError, match=message):
        random("test_vit", **params).fit(images)


@pytest.mark.parametrize("bad", [[None], [None, "missing.png"]])
def test_maps_of_images_that_all_are_bad(images, bad):
    embedder = random("test_vit", image_size=32, on_error="nan").fit(images)
    with pytest.warns(UserWarning, match="cannot be used"):
        maps = embedder.transform(bad)
    assert maps.shape == (len(bad), 1, 1, embedder.n_channels_)
    assert np.isnan(maps).all()


def test_the_folder_of_a_joblib_memory(images, tmp_path):
    memory = joblib.Memory(tmp_path / "rows", verbose=0)
    expected = random("test_vit", image_size=32).fit_transform(images)
    embedder = random("test_vit", image_size=32, memory=memory)
    np.testing.assert_array_equal(embedder.fit_transform(images), expected)
    assert list((tmp_path / "rows").rglob("*.sqlite"))
