"""Files of fitted classifiers hold the training rows once, also when saved again."""

import importlib.util

import joblib
import numpy as np
import pytest

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)
from skknn.neighbors import ALGORITHMS, APPROXIMATE
from skknn.neighbors import _auto as auto

LIBRARY = {"fast": "numba", "faiss": "faiss", "hnsw": "faiss", "ivf": "faiss"}
ENGINES = [
    name
    for name in ALGORITHMS
    if name != "precomputed"
    and importlib.util.find_spec(LIBRARY.get(name, "numpy")) is not None
]


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def data(request):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 120)).astype(request.param)
    return X, np.arange(1500) % 3


def save(model, folder):
    """Uncompressed bytes of a model, and the model that is read back from them."""
    path = folder / "model.joblib"
    joblib.dump(model, path)
    return path.read_bytes(), joblib.load(path)


def times_saved(rows, saved):
    """How often each of some rows is in a file, in either precision."""
    kinds = {row.astype(dtype).tobytes() for row in rows for dtype in ("f4", "f8")}
    return sum(map(saved.count, kinds)) / len(rows)


@pytest.mark.parametrize("algorithm", ENGINES)
@pytest.mark.parametrize("cls", [SoftKNNClassifier, JointKNNClassifier])
def test_rows_are_saved_once(cls, algorithm, data, tmp_path, monkeypatch):
    # "auto" then changes its engine for so few rows, too.
    monkeypatch.setattr(auto, "_LARGE", 1000)
    X, y = data
    model = cls(algorithm=algorithm, preprocessing=None, tau="scale").fit(X, y)
    want = model.predict_proba(X[:300])
    for _ in range(3):
        saved, model = save(model, tmp_path)
        assert times_saved(X[::150], saved) == 1
        # Besides them norms, labels, what a base learns, or an approximate index.
        other = 600 if algorithm in APPROXIMATE else 50
        assert len(saved) < X.nbytes + other * len(X)
        np.testing.assert_array_equal(model.predict_proba(X[:300]), want)


def test_prepared_rows_are_saved_in_place_of_those_given(data, tmp_path):
    X, y = data
    for metric in ("sqeuclidean", "euclidean", "cosine"):
        model = SoftKNNClassifier(metric=metric).fit(X, y)
        saved, _ = save(model, tmp_path)
        assert times_saved(X[::150], saved) == 0
        assert len(saved) < X.nbytes + 50 * len(X)


def test_a_regression_saves_no_rows(data, tmp_path):
    X, y = data
    model = KNNWeightedLogisticRegression(preprocessing=None, tau="scale").fit(X, y)
    saved, again = save(model, tmp_path)
    assert times_saved(X[::150], saved) == 0
    assert len(saved) < 50 * len(X)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
