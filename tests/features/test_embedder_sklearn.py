"""BackboneEmbedder inside scikit-learn's other tools, on paths in their forms."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Memory
from PIL import Image
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skknn import BackboneEmbedder, FungiTransformer

Y = np.arange(24) % 2


def tiny(**kwargs):
    settings = {"image_size": 64, "weights": None, "random_state": 0, "device": "cpu"}
    return BackboneEmbedder("test_resnet", **settings | kwargs)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("photos"), []
    rng = np.random.default_rng(0)
    for i in range(24):
        found.append(str(folder / f"{i}.png"))
        # Odd images are bright: something to learn.
        levels = rng.integers(0, 128, (20, 20, 3), dtype=np.uint8) + 120 * (i % 2)
        Image.fromarray(levels.astype(np.uint8)).save(found[-1])
    return found


def test_frames_keep_their_index(paths):
    index = np.arange(24) + 100
    embedder = tiny().set_output(transform="pandas")
    frames = [pd.DataFrame({"p": paths}, index=index), pd.Series(paths, index=index)]
    # Before scikit-learn 1.8 the index of a Series is not looked at.
    newer = parse_version(sklearn.__version__) >= parse_version("1.8")
    for X in frames[: 1 + newer]:
        assert list(embedder.fit_transform(X).index) == list(index)
    assert list(embedder.fit_transform(paths).index) == list(range(24))


def test_polars(paths):
    pl = pytest.importorskip("polars")
    frame = tiny().set_output(transform="polars").fit_transform(pl.Series(paths))
    assert isinstance(frame, pl.DataFrame) and frame.shape == (24, 96)


@pytest.mark.parametrize("column", ["path", ["path"]])
def test_column_transformer(paths, column):
    frame = pd.DataFrame({"path": paths, "price": np.arange(24.0)})
    both = make_column_transformer((tiny(), column), (StandardScaler(), ["price"]))
    rows = both.fit_transform(frame)
    np.testing.assert_array_equal(rows[:, :96], tiny().fit_transform(paths))
    names = both.get_feature_names_out()
    assert names[0] == "backboneembedder__backboneembedder0"
    assert names[-1] == "standardscaler__price"


def test_unions_and_searches(paths, tmp_path):
    union = make_union(tiny(), tiny(pooling="max"))
    assert union.fit_transform(paths).shape == (24, 192)
    pipeline = make_pipeline(tiny(memory=tmp_path), KNeighborsClassifier(1))
    assert cross_val_score(pipeline, paths, Y, cv=3, n_jobs=2).mean() > 0.9
    assert (cross_val_predict(pipeline, paths, Y, cv=3) == Y).mean() > 0.9
    grid = {"backboneembedder__pooling": ["avg", "max"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(paths, Y)
    assert search.best_score_ > 0.9


def test_a_memory_of_joblib_lends_its_folder(paths, tmp_path):
    want = tiny().fit_transform(paths)
    memory = Memory(tmp_path / "rows", verbose=0)
    embedder = pickle.loads(pickle.dumps(clone(tiny(memory=memory)).fit(paths)))
    np.testing.assert_array_equal(embedder.transform(paths), want)
    (file,) = (tmp_path / "rows").rglob("rows-*.sqlite")
    # The same file as by the folder's name.
    before = file.read_bytes()
    tiny(memory=memory.location).fit_transform(paths)
    assert list((tmp_path / "rows").rglob("rows-*.sqlite")) == [file]
    assert len(file.read_bytes()) == len(before)


@pytest.mark.parametrize("cls", [BackboneEmbedder, FungiTransformer])
def test_a_memory_of_joblib_without_a_folder_keeps_nothing(cls, paths, tmp_path):
    more = {"objectives": ("kl",), "n_components": 2} if cls is FungiTransformer else {}
    network = "test_vit" if cls is FungiTransformer else "test_resnet"
    transformer = cls(network, weights=None, image_size=32, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer.set_params(memory=Memory(None)).fit_transform(paths[:4])


def test_gradients_take_a_memory_of_joblib_too(paths, tmp_path):
    fungi = FungiTransformer(
        "test_vit", weights=None, image_size=32, objectives=("kl",), n_components=2,
        random_state=0, memory=Memory(tmp_path, verbose=0),
    )  # fmt: skip
    want = fungi.fit_transform(paths[:4])
    assert list(tmp_path.rglob("*.sqlite"))
    again = fungi.set_params(memory=str(tmp_path)).fit_transform(paths[:4])
    np.testing.assert_array_equal(again, want)
