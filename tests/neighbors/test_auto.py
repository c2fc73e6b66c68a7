"""Which engine "auto" takes, and what happens without an engine's library."""

import subprocess
import sys

import numpy as np
import pytest

from skknn import JointKNNClassifier, SoftKNNClassifier
from skknn.datastore import NeighborIndex
from skknn.neighbors import _auto as auto
from skknn.neighbors._rows import IndexRows
from skknn.utils._device import resolve_device


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


def choice(size, n_queries, *there, loaded=()):
    """The engine for rows of ``size`` numbers on a machine of this kind."""
    return auto.choose(size, n_queries, set(there).__contains__, loaded)


def test_the_choice_follows_size_device_and_what_is_installed():
    large, many = 10 * auto._LARGE, np.inf
    assert choice(large, many, "numba", "faiss", "bfloat16") == "fast"
    assert choice(1000, many, "numba", "faiss", "bfloat16") == "brute"
    assert choice(large, many, "faiss", "bfloat16") == "torch"
    assert choice(large, many, "faiss") == "faiss"
    assert choice(large, many) == "brute"
    assert choice(large, many, "cuda", "numba", "bfloat16") == "torch"
    assert choice(1000, many, "cuda") == "brute"
    assert choice(1000, 1, "device") == "torch"


def test_few_queries_stay_with_numpy_until_a_library_has_paid():
    size = 10 * auto._LARGE
    enough = int(auto._PATIENCE / size) + 1
    kernels = "skknn.neighbors.exact._kernels"
    assert auto._FEW_QUERIES < enough
    assert choice(size, auto._FEW_QUERIES - 1, "numba", loaded={kernels}) == "brute"
    assert choice(size, auto._FEW_QUERIES, "numba", loaded={kernels}) == "fast"
    assert choice(size, enough - 2, "numba", loaded={"numba"}) == "brute"
    assert choice(size, enough, "numba") == "fast"
    assert choice(size, auto._FEW_QUERIES, "bfloat16") == "brute"
    assert choice(size, auto._FEW_QUERIES, "bfloat16", loaded={"torch"}) == "torch"


def test_what_there_is():
    assert auto.has("numpy", None) and not auto.has("no_such_module", None)
    assert not auto.has("device", None) and not auto.has("device", "cpu")
    assert not auto.has("cuda", "cpu")
    # What was fitted on another machine takes the best device of this one.
    assert auto.has("device", "cuda:77") is (resolve_device().type != "cpu")
    assert auto.has("bfloat16", None) in (True, False)


def test_the_engine_changes_when_enough_was_asked(monkeypatch):
    monkeypatch.setattr(auto, "_LARGE", 1000)
    monkeypatch.setattr(auto, "has", lambda what, device: what == "bfloat16")
    rows = np.random.default_rng(0).normal(size=(500, 10))
    engine = auto.AutoEngine(IndexRows.from_array(rows), None, None)
    assert engine.name == "torch"
    want = [engine.kneighbors(rows[i : i + 30], 7) for i in (0, 30)]
    assert engine._engine.name == "brute"
    engine.leave_one_out(7, slice(0, 10))
    assert engine._engine.name == "torch"
    for i, pair in zip((0, 30), want):
        for a, b in zip(engine.kneighbors(rows[i : i + 30], 7), pair):
            np.testing.assert_array_equal(a, b)
    # Another index starts anew: no process remembers what others were asked.
    other = auto.AutoEngine(IndexRows.from_array(rows), None, None)
    other.kneighbors(rows[:1], 7)
    assert other._engine.name == "brute"


@pytest.mark.parametrize(
    "name, module",
    [("fast", "numba"), ("faiss", "faiss"), ("ivf", "faiss"), ("hnsw", "faiss")],
)
def test_a_missing_library_is_named_with_its_extra(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    extra = "fast" if module == "numba" else "faiss"
    with pytest.raises(ImportError, match=rf"{module}.*skknn\[{extra}\]"):
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
            np.testing.assert_allclose(
                knn.predict_proba(queries), want.predict_proba(queries), rtol=1e-12
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
        for got, true in (
            (index.kneighbors(X[:60], 15), want.kneighbors(X[:60], 15)),
            (index.leave_one_out(15), want.leave_one_out(15)),
        ):
            np.testing.assert_allclose(got[0], true[0], rtol=1e-13, atol=1e-300)
            np.testing.assert_array_equal(got[1], true[1])


def test_float16_rows_become_float32():
    X = np.random.default_rng(4).normal(size=(90, 6)).astype(np.float16)
    y = np.arange(90) % 3
    knn = SoftKNNClassifier(5).fit(X, y)
    assert knn.index_.rows.rows_.values.dtype == np.float32
    want = SoftKNNClassifier(5).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(knn.predict_proba(X), want.predict_proba(X))


@pytest.mark.parametrize("asked", [False, True])
def test_what_was_fitted_for_a_card_is_searched_without(asked, monkeypatch):
    import torch

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 8)).astype(np.float32), np.arange(300) % 3
    settings = {"n_neighbors": 5, "tau": 0.1}
    plain = SoftKNNClassifier(**settings).fit(X, y)
    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "device_count", lambda: 1)
        fitted = SoftKNNClassifier(**settings, device="cuda").fit(X, y)
    assert fitted.algorithm_ == "torch"
    if asked:
        fitted.predict(X)
    for part in (slice(100), slice(100, 300)):
        fitted.partial_fit(X[part] + 1, y[part])
        plain.partial_fit(X[part] + 1, y[part])
        np.testing.assert_allclose(
            fitted.predict_proba(X), plain.predict_proba(X), atol=1e-9
        )
    for one in (fitted, plain):
        one.remove(one.ids_[:50], refit_statistics=True)
    np.testing.assert_allclose(
        fitted.predict_proba(None), plain.predict_proba(None), atol=1e-9
    )


@pytest.mark.parametrize("algorithm", ["auto", "torch"])
def test_a_device_that_is_not_there_is_an_error_of_fit(algorithm):
    X, y = np.eye(6, dtype=np.float32), np.arange(6) % 2
    knn = SoftKNNClassifier(2, algorithm=algorithm, device="cuda:99")
    with pytest.raises(ValueError, match="device='cuda:99' is not available here"):
        knn.fit(X, y)
