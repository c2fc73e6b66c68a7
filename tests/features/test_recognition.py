"""A backbone that is loaded again is the one of fit, or is refused."""

import pickle
import sys
import types

import joblib
import numpy as np
import pytest
import timm
import torch

from skknn import BackboneEmbedder, FungiTransformer

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def write_folder(folder, seed):
    folder.mkdir(exist_ok=True)
    text = '{"architecture": "test_resnet", "num_classes": 7, "pretrained_cfg": {}}'
    (folder / "config.json").write_text(text)
    torch.manual_seed(seed)
    module = timm.create_model("test_resnet", num_classes=7)
    torch.save(module.state_dict(), folder / "pytorch_model.bin")


def again(estimator):
    return pickle.loads(pickle.dumps(estimator))


def recipe(scale):
    """A module of code that is imported, with a function that makes a network."""

    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x.mean((2, 3)), scale * x.amax((2, 3))], 1)

    def make():
        return Net()

    make.__module__, make.__qualname__ = "recipes_of_a_user", "make"
    module = types.ModuleType("recipes_of_a_user")
    module.make = make
    sys.modules["recipes_of_a_user"] = module
    return make


def test_the_same_recipe_is_accepted(tmp_path):
    write_folder(tmp_path / "m", 1)
    for backbone in (f"local-dir:{tmp_path / 'm'}", recipe(1.0)):
        embedder = BackboneEmbedder(backbone, image_size=64, device="cpu")
        rows = embedder.fit_transform(IMAGES)
        np.testing.assert_array_equal(again(embedder).transform(IMAGES), rows)


def test_a_folder_with_other_weights_is_refused(tmp_path):
    write_folder(tmp_path / "m", 1)
    embedder = BackboneEmbedder(f"local-dir:{tmp_path / 'm'}", image_size=64)
    embedder.fit(IMAGES)
    write_folder(tmp_path / "m", 2)
    with pytest.raises(ValueError, match="local-dir:.*other features than at fit"):
        again(embedder).transform(IMAGES)


def test_a_function_with_other_code_is_refused():
    # In bfloat16, as on a card, one per cent might be rounding.
    settings = {"image_size": 64, "precision": "float32"}
    embedder = BackboneEmbedder(recipe(1.0), **settings).fit(IMAGES)
    pickled = pickle.dumps(embedder)
    recipe(1.01)
    with pytest.raises(ValueError, match="other features than at fit.*Fit again"):
        pickle.loads(pickled).transform(IMAGES)


def test_fungi_refuses_too(tmp_path):
    write_folder(tmp_path / "m", 1)
    fungi = FungiTransformer(
        f"local-dir:{tmp_path / 'm'}",
        objectives=("kl",),
        image_size=64,
        n_components=None,
        random_state=0,
    )
    rows = fungi.fit_transform(IMAGES)
    np.testing.assert_array_equal(again(fungi).transform(IMAGES), rows)
    write_folder(tmp_path / "m", 2)
    with pytest.raises(ValueError, match="other features than at fit"):
        again(fungi).transform(IMAGES)


class Chancy(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) + torch.rand(())


def test_chance_cannot_be_recognised():
    """What never gives the same rows twice is nobody's other network."""
    embedder = BackboneEmbedder(Chancy(), image_size=32).fit(IMAGES)
    assert again(embedder).transform(IMAGES).shape == (3, 3)


def test_another_precision_is_the_same_network():
    embedder = BackboneEmbedder(
        "test_vit", weights=None, image_size=64, random_state=0, device="cpu"
    ).fit(IMAGES)
    loaded = again(embedder).set_params(precision="bf16")
    assert loaded.transform(IMAGES).shape == (3, 64)


def test_relative_folders_and_checkpoints_reach_other_processes(tmp_path, monkeypatch):
    write_folder(tmp_path / "m", 1)
    monkeypatch.chdir(tmp_path)
    ways = [
        BackboneEmbedder("local-dir:m", image_size=64, batch_size=1),
        BackboneEmbedder(
            "test_resnet",
            image_size=64,
            batch_size=1,
            backbone_params={"checkpoint_path": "m/pytorch_model.bin"},
        ),
    ]
    expected = [embedder.fit_transform(IMAGES) for embedder in ways]
    with joblib.parallel_config("loky", n_jobs=2):
        joblib.Parallel()(joblib.delayed(np.sum)(i) for i in range(2))
        (tmp_path / "elsewhere").mkdir()
        for embedder, rows in zip(ways, expected):
            np.testing.assert_array_equal(embedder.transform(IMAGES), rows)
