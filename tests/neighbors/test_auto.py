"""Which engine "auto" takes, and what happens without an engine's library."""

import subprocess
import sys

import numpy as np
import pytest

from skknn import JointKNNClassifier, SoftKNNClassifier
from skknn.neighbors import NeighborIndex
from skknn.neighbors import _auto as auto


@pytest.fixture
def installed(monkeypatch):
    """Pretend what is installed and what pays on this processor."""

    def pretend(*names, bfloat16, faiss=True, cuda=False):
        import torch

        from skknn.neighbors import _torch

        monkeypatch.setattr(
            auto, "find_spec", lambda name: object() if name in names else None
        )
        monkeypatch.setattr(_torch, "bfloat16_pays", lambda: bfloat16)
        monkeypatch.setattr(auto, "_faiss_pays", lambda: faiss)
        device = torch.device("cuda" if cuda else "cpu")
        monkeypatch.setattr(auto, "resolve_device", lambda device_=None: device)

    return pretend


def test_small_data_never_loads_torch_numba_or_faiss():
    code = (
        "import sys, numpy as np\n"
        "from skknn import SoftKNNClassifier\n"
        "X = np.random.default_rng(0).normal(size=(2000, 64))\n"
        "knn = SoftKNNClassifier().fit(X, np.arange(2000) % 5)\n"
        "knn.predict(X); knn.predict(None)\n"
        "assert knn.algorithm_ == 'brute', knn.algorithm_\n"
        "bad = {'torch', 'numba', 'faiss'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_choice_follows_size_device_and_what_is_installed(installed):
    large = 10 * auto._LARGE
    installed("numba", "faiss", bfloat16=True)
    assert auto.choose(large, None) == "fast"
    assert auto.choose(1000, None) == "brute"
    installed("faiss", bfloat16=True)
    assert auto.choose(large, "cpu") == "torch"
    installed("faiss", bfloat16=False)
    assert auto.choose(large, None) == "faiss"
    installed("faiss", bfloat16=False, faiss=False)
    assert auto.choose(large, None) == "brute"
    installed(bfloat16=False)
    assert auto.choose(large, None) == "brute"
    installed("numba", "faiss", bfloat16=True, cuda=True)
    assert auto.choose(large, None) == "torch"
    assert auto.choose(1000, None) == "brute"
    assert auto.choose(1000, "cuda") == "torch"


@pytest.fixture
def eager(monkeypatch):
    """An engine "auto" that prefers torch's, of which nothing was asked yet."""
    monkeypatch.setattr(auto, "choose", lambda size, device: "torch")
    monkeypatch.setattr(auto, "_LIBRARY", {})
    monkeypatch.setattr(auto.AutoEngine, "_work", 0.0)
    monkeypatch.setattr(auto, "_PATIENCE", 100 * 5000)
    return np.random.default_rng(0).normal(size=(500, 10))


def test_small_batches_stay_with_numpy_until_much_was_asked(eager):
    engine = auto.AutoEngine().fit(eager)
    assert engine.name == "torch"
    want = [engine.kneighbors(eager[i : i + 30], 7) for i in (0, 30)]
    assert engine._large is None
    engine.kneighbors(eager, 7)
    assert engine._large.name == "torch"
    for i, pair in zip((0, 30), want):
        for a, b in zip(engine.kneighbors(eager[i : i + 30], 7), pair):
            np.testing.assert_array_equal(a, b)


def test_many_small_searches_on_other_rows_count_too(eager):
    # A grid search fits its estimator anew for every point.
    taken = []
    for _ in range(3):
        engine = auto.AutoEngine().fit(eager)
        engine.kneighbors(eager[:70], 7)
        taken.append(engine._large is not None)
    assert taken == [False, True, True]
    engine = auto.AutoEngine().fit(eager)
    engine.kneighbors(eager[:1], 7)
    assert engine._large is None  # a copy of the rows for one query would not pay


@pytest.mark.parametrize(
    "name, module",
    [("fast", "numba"), ("faiss", "faiss"), ("ivf", "faiss"), ("hnsw", "faiss")],
)
def test_a_missing_library_is_named_with_its_extra(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    extra = "fast" if module == "numba" else "faiss"
    with pytest.raises(ImportError, match=rf"{module}.*skknn\[{extra}\].*auto"):
        NeighborIndex(algorithm=name).fit(np.eye(3))


def test_every_exact_engine_serves_the_classifiers_alike():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 6)), rng.integers(4, size=300)
    want = SoftKNNClassifier(9, algorithm="brute").fit(X, y)
    for name in ("auto", "torch", "fast", "faiss"):
        try:
            knn = SoftKNNClassifier(9, algorithm=name, device="cpu").fit(X, y)
        except ImportError:
            continue
        assert knn.algorithm_ == ("brute" if name == "auto" else name)
        for queries in (None, X[:20] + 0.1):
            np.testing.assert_array_equal(
                knn.predict_proba(queries), want.predict_proba(queries)
            )
        joint = JointKNNClassifier(9, algorithm=name, device="cpu").fit(X, y)
        assert joint.knn_.algorithm_ == knn.algorithm_


@pytest.mark.parametrize("algorithm", ["brute", "torch", "fast", "faiss"])
def test_more_neighbours_than_rows_are_clipped(algorithm):
    X = np.random.default_rng(2).normal(size=(12, 3)).astype(np.float32)
    try:
        with pytest.warns(UserWarning, match="n_neighbors=50 is more than the 12"):
            knn = SoftKNNClassifier(50, algorithm=algorithm).fit(X, np.arange(12) % 2)
    except ImportError:
        pytest.skip(f"{algorithm} is not installed")
    assert knn.n_neighbors_ == 12
    np.testing.assert_allclose(knn.predict_proba(X).sum(axis=1), 1)
    assert knn.kneighbors(None)[1].shape == (12, 11)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("algorithm", ["torch", "fast", "faiss"])
def test_metrics_and_zero_rows_equal_brute(metric, algorithm):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 5)).astype(np.float32)
    X[::50] = 0
    for preprocessing in (None, "center-l2", "l2"):
        args = {"metric": metric, "preprocessing": preprocessing}
        try:
            index = NeighborIndex(algorithm=algorithm, **args).fit(X)
        except ImportError:
            pytest.skip(f"{algorithm} is not installed")
        want = NeighborIndex(algorithm="brute", **args).fit(X)
        for a, b in zip(index.kneighbors(X[:60], 15), want.kneighbors(X[:60], 15)):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(index.leave_one_out(15), want.leave_one_out(15)):
            np.testing.assert_array_equal(a, b)


def test_float16_rows_become_float32():
    X = np.random.default_rng(4).normal(size=(90, 6)).astype(np.float16)
    y = np.arange(90) % 3
    knn = SoftKNNClassifier(5).fit(X, y)
    assert knn._index._rows.dtype == np.float32
    want = SoftKNNClassifier(5).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(knn.predict_proba(X), want.predict_proba(X))


@pytest.mark.parametrize(
    "library, name", [("no_such_module", None), ("numpy", "torch")]
)
def test_a_library_that_is_loaded_need_not_pay_for_its_loading(
    library, name, eager, monkeypatch
):
    monkeypatch.setattr(auto, "_PATIENCE", 2e10)
    monkeypatch.setattr(auto, "_LIBRARY", {"torch": library})
    engine = auto.AutoEngine().fit(eager)
    engine.kneighbors(eager[:10], 7)
    assert engine._large is None
    found = engine.kneighbors(eager, 7)
    assert getattr(engine._large, "name", None) == name
    for a, b in zip(found, auto.BruteEngine().fit(eager).kneighbors(eager, 7)):
        np.testing.assert_array_equal(a, b)
