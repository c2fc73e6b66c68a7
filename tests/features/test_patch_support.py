"""The support of gradients of positions, determinism, cache, and what is refused."""

import numpy as np
import pytest
from patch_examples import PUBLISHED, embedder_for, noise_pictures

from skknn import (
    DenseEmbedder,
    FungiTransformer,
    PatchSimCLRObjective,
    SimCLRObjective,
)


@pytest.fixture(scope="module")
def images():
    return noise_pictures()


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
    plain = DenseEmbedder(
        "test_vit", weights=None, image_size=64, random_state=0, device="cpu"
    )
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
