"""BackboneEmbedder: rows, invariances, errors, long work."""

import sqlite3
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from image_examples import Pairs, save_images
from image_examples import tiny_embedder as tiny
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skknn import BackboneEmbedder, TextBackbone
from skknn.utils._behaviour import N_QUESTIONS

RNG = np.random.default_rng(0)
ARRAYS = RNG.integers(0, 256, (7, 24, 30, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    return save_images(tmp_path, ARRAYS)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_one_picture_one_row_however_it_comes(backbone, paths):
    """Bit for bit, in one call and in many, in mixed company."""
    embedder = tiny(backbone).fit(paths)
    expected = embedder.transform(paths)
    tensors = torch.from_numpy(ARRAYS).permute(0, 3, 1, 2)
    for X in (
        [Image.fromarray(a) for a in ARRAYS],
        list(ARRAYS),
        ARRAYS,
        ARRAYS / 255,
        tensors,
        tensors / 255,
        Pairs(paths),
        Pairs(list(tensors)),
        pd.Series(paths),
        [paths[0], ARRAYS[1], Image.open(paths[2]), tensors[3], *ARRAYS[4:] / 255],
    ):
        np.testing.assert_array_equal(embedder.transform(X), expected)


def test_flattened_rows_are_the_same_pictures():
    grey = ARRAYS[..., 0]
    expected = tiny().fit_transform(grey)
    rows = grey.reshape(len(grey), -1)
    found = tiny(image_shape=(24, 30)).fit_transform(rows)
    np.testing.assert_array_equal(found, expected)
    colour = ARRAYS.reshape(len(ARRAYS), -1)
    found = tiny(image_shape=(24, 30, 3)).fit_transform(colour)
    np.testing.assert_array_equal(found, tiny().fit_transform(ARRAYS))


def test_images_of_mixed_sizes():
    X = [RNG.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in
         [(1, 1), (300, 20), (64, 64), (7, 500)]]  # fmt: skip
    embedder = tiny(batch_size=3).fit(X)
    rows = embedder.transform(X)
    for row, image in zip(rows, X):
        np.testing.assert_array_equal(embedder.transform([image])[0], row)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext"])
def test_a_row_depends_on_its_image_alone(backbone, tmp_path):
    """Batch size, order, company, threads and cache: all bit-equal on a CPU."""
    expected = tiny(backbone).fit_transform(ARRAYS)
    for settings in (
        {"batch_size": 1},
        {"batch_size": 4},
        {"batch_size": "auto"},
        {"n_jobs": 1},
        {"n_jobs": 5},
        {"memory": tmp_path},
        {"memory": tmp_path, "batch_size": 2},
    ):
        found = tiny(backbone, **settings).fit_transform(ARRAYS)
        np.testing.assert_array_equal(found, expected, err_msg=str(settings))
    embedder = tiny(backbone).fit(ARRAYS)
    order = RNG.permutation(7)
    np.testing.assert_array_equal(embedder.transform(ARRAYS[order]), expected[order])
    np.testing.assert_array_equal(embedder.transform(ARRAYS[2:3]), expected[2:3])


def test_a_very_long_picture_equals_what_timm_would_see():
    """The crop alone is resized; timm's way needs the whole resized picture."""
    strip = RNG.integers(0, 256, (10, 20_000, 3), dtype=np.uint8)
    strip = np.repeat(strip[:, ::50], 50, axis=1)
    embedder = tiny().fit([strip])
    import timm

    config = embedder.backbone_.data_config
    steps = timm.data.create_transform(**config, is_training=False).transforms
    image = Image.fromarray(strip)
    expected = np.asarray(steps[1](steps[0](image))).astype(int)
    found = embedder.backbone_.prepare(image).permute(1, 2, 0).numpy().astype(int)
    # 64 / 0.95 = 67 rows: the resized picture is small enough for the usual way.
    np.testing.assert_array_equal(found, expected)
    extractor = embedder.backbone_
    extractor._preprocess._resized_pixels = lambda image: 2**30
    found = extractor.prepare(image).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - expected).max() <= 1


def test_memory_of_a_long_picture_is_bounded():
    import tracemalloc

    strip = Image.new("RGB", (200_000, 10), (9, 99, 199))
    embedder = tiny(image_size=224).fit([strip])
    tracemalloc.start()
    prepared = embedder.backbone_.prepare(strip)
    tracemalloc.stop()
    assert prepared.shape == (3, 224, 224)
    assert (prepared[0] == 9).all() and (prepared[2] == 199).all()


def test_same_seed_same_rows_other_seed_other_rows():
    a, b = tiny().fit_transform(ARRAYS), tiny().fit_transform(ARRAYS)
    np.testing.assert_array_equal(a, b)
    assert np.abs(tiny(random_state=1).fit_transform(ARRAYS) - a).max() > 1e-3
    generator = np.random.RandomState(3)
    c = tiny(random_state=generator).fit_transform(ARRAYS)
    d = tiny(random_state=np.random.RandomState(3)).fit_transform(ARRAYS)
    np.testing.assert_array_equal(c, d)


@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generators_are_left_alone(random_state):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    tiny(random_state=random_state).fit_transform(ARRAYS)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_fit_loads_and_checks_but_decodes_nothing(tmp_path):
    embedder = tiny()
    assert embedder.fit([tmp_path / "not there.jpg"]) is embedder
    assert isinstance(embedder.backbone_.module, torch.nn.Module)
    assert embedder.device_ == torch.device("cpu")
    assert not embedder.backbone_.module.training
    assert not any(p.requires_grad for p in embedder.backbone_.module.parameters())
    assert not hasattr(embedder, "n_features_in_")
    with pytest.raises(NotFittedError):
        tiny().transform(ARRAYS)
    assert not hasattr(tiny(), "backbone_")
    assert not hasattr(tiny(), "device_")


def test_refitting_forgets_the_form_of_the_old_data():
    embedder = tiny().fit(np.zeros((3, 64)))
    assert embedder.n_features_in_ == 64
    embedder.fit(ARRAYS)
    assert not hasattr(embedder, "n_features_in_")
    with pytest.raises(ValueError, match="fit saw images"):
        embedder.transform(np.zeros((3, 64)))


@pytest.mark.parametrize("bad", [{"weights": "nowhere.pth"}, {"layer": "nothing"}])
def test_a_failed_refit_leaves_an_unfitted_estimator(bad):
    embedder = tiny().fit(np.zeros((3, 64)))
    before = set(vars(tiny()))
    with pytest.raises((ValueError, OSError)):
        embedder.set_params(**bad).fit(ARRAYS)
    assert set(vars(embedder)) == before
    with pytest.raises(NotFittedError):
        embedder.transform(ARRAYS)
    embedder.set_params(**{name: getattr(tiny(), name) for name in bad})
    np.testing.assert_array_equal(
        embedder.fit(ARRAYS).transform(ARRAYS), tiny().fit_transform(ARRAYS)
    )


def test_names_and_frames():
    embedder = tiny().set_output(transform="pandas").fit(ARRAYS)
    frame = embedder.transform(ARRAYS)
    assert list(frame.columns[:2]) == ["backboneembedder0", "backboneembedder1"]
    assert list(embedder.get_feature_names_out()) == list(frame.columns)
    pytest.importorskip("polars")
    polars = tiny().set_output(transform="polars").fit_transform(ARRAYS)
    np.testing.assert_array_equal(polars.to_numpy(), frame.to_numpy())


class Plain(torch.nn.Module):
    """A user's own module, which needs its input in the usual layout."""

    def __init__(self, width=5):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 5, stride=4)

    def forward(self, x):
        y = self.conv(x)
        return y.view(len(y), -1)[:, :50]


def test_modules_and_functions():
    torch.manual_seed(0)
    module = Plain().train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    rows = BackboneEmbedder(module, image_size=32).fit_transform(ARRAYS)
    assert rows.shape == (7, 50)
    assert module.training and all(p.requires_grad for p in module.parameters())
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
    found = BackboneEmbedder(lambda: module, image_size=32).fit_transform(ARRAYS)
    np.testing.assert_array_equal(found, rows)
    assert module.training
    # ImageNet's preprocessing for modules that say nothing else.
    x = (torch.rand(1, 3, 9, 9) * 255).round().to(torch.uint8)
    extractor = BackboneEmbedder(module).fit(ARRAYS).backbone_
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (x / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    torch.testing.assert_close(extractor.normalize(x), expected)
    seeded = BackboneEmbedder(
        Plain, weights=None, backbone_params={"width": 7}, random_state=0, image_size=32
    )
    np.testing.assert_array_equal(
        seeded.fit_transform(ARRAYS), clone(seeded).fit_transform(ARRAYS)
    )


class Map(torch.nn.Module):
    def forward(self, x):
        return x


def test_pooling_of_a_users_feature_map():
    rows = BackboneEmbedder(Map(), image_size=8, pooling="max").fit_transform(ARRAYS)
    auto = BackboneEmbedder(Map(), image_size=8).fit_transform(ARRAYS)
    avg = BackboneEmbedder(Map(), image_size=8, pooling="avg").fit_transform(ARRAYS)
    np.testing.assert_array_equal(auto, avg)
    assert (rows > avg).all() and rows.shape == (7, 3)


@pytest.mark.parametrize(
    "settings, error, reason",
    [
        ({"backbone": 3}, ValueError, "backbone"),
        ({"backbone": lambda: 3}, TypeError, "returned a int.*Module.$"),
        ({"backbone": TextBackbone}, TypeError, r"Pass an instance, TextBackbone\(\)"),
        ({"backbone": Map(), "backbone_params": {"a": 1}}, ValueError, "Leave it None"),
        ({"backbone_params": {"img_size": 9}}, ValueError, "image_size="),
        (
            {"weights": "nowhere.pth"},
            FileNotFoundError,
            "weights='nowhere.pth'.*'auto'",
        ),
        ({"device": "abacus"}, ValueError, "device='abacus'.*'cpu'"),
        ({"precision": "float16"}, ValueError, "'precision'.*'bf16'"),
        ({"batch_size": 0}, ValueError, "'batch_size'.*'auto'.*0"),
        ({"on_error": "skip"}, ValueError, "'on_error'.*'nan'"),
        ({"image_size": 0}, ValueError, "'image_size'"),
        ({"pooling": "sum"}, ValueError, "'pooling'"),
        ({"layer": 1.5}, ValueError, "'layer'"),
        ({"memory": 3}, ValueError, "'memory'"),
    ],
)
def test_wrong_settings_are_named(settings, error, reason):
    with pytest.raises(error, match=reason):
        tiny().set_params(**settings).fit(ARRAYS)


def test_no_warnings_in_normal_use(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder = tiny(memory=tmp_path, n_jobs=2)
        embedder.fit_transform(ARRAYS)
        embedder.fit_transform(np.zeros((4, 64)))


def test_grid_search_embeds_each_image_once(tmp_path):
    """Ten settings, five folds and a refit, over a pipeline with a cache."""
    X = RNG.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    y = np.arange(60) % 3
    Counting.seen = 0
    pipeline = make_pipeline(
        BackboneEmbedder(Counting(), image_size=16, memory=tmp_path / "rows"),
        KNeighborsClassifier(),
    )
    grid = {"kneighborsclassifier__n_neighbors": range(1, 11)}
    search = GridSearchCV(pipeline, grid, cv=5).fit(X, y)
    assert search.cv_results_["mean_test_score"].shape == (10,)
    # Every fit, and every call on new rows, asks the network about one picture.
    n_fits, n_calls = 51, 151
    assert 60 <= Counting.seen <= 60 + N_QUESTIONS + 1 + n_fits + n_calls
    (file,) = (tmp_path / "rows").glob("*.sqlite")
    db = sqlite3.connect(file)
    assert db.execute("SELECT count(*) FROM rows").fetchone() == (60,)
    db.close()


class Counting(torch.nn.Module):
    seen = 0

    def forward(self, x):
        Counting.seen += len(x)
        return x.mean((2, 3))


def test_threads_of_joblib_are_taken_as_threads():
    expected = tiny().fit_transform(ARRAYS)
    with joblib.parallel_config("threading", n_jobs=3):
        embedder = tiny()
        np.testing.assert_array_equal(embedder.fit_transform(ARRAYS), expected)


def test_two_threads_may_use_one_embedder():
    embedder = tiny(layer=1).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    found = joblib.Parallel(2, backend="threading")(
        joblib.delayed(embedder.transform)(ARRAYS) for _ in range(4)
    )
    for rows in found:
        np.testing.assert_array_equal(rows, expected)
