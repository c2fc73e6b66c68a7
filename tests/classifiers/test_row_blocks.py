"""Predictions in blocks: the same classes, without a table of all probabilities."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)
from skknn.classifiers import _labelled_index, _row_blocks

pl = pytest.importorskip("polars")

ALL = [SoftKNNClassifier, KNNWeightedLogisticRegression, JointKNNClassifier]


@pytest.fixture
def small_blocks(monkeypatch):
    """Tables of at most 7 rows for the 10 digits."""
    monkeypatch.setattr(_row_blocks, "_BLOCK", 70)
    monkeypatch.setattr(_labelled_index, "_VOTED", 40)


def test_blocks_cover_all_rows_once():
    parts = list(_row_blocks.row_blocks(10_000_001, 3))
    assert [p.stop for p in parts[:-1]] == [p.start for p in parts[1:]]
    assert (parts[0].start, parts[-1].stop) == (0, 10_000_001)
    assert max(p.stop - p.start for p in parts) * 3 <= 1 << 22
    assert list(_row_blocks.row_blocks(0, 3)) == [slice(0, 0)]


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_classes_are_those_of_the_probabilities(cls, form, digits, small_blocks):
    X, y = digits
    names = [f"c{i}" for i in range(64)]
    rows, queries = (
        form(part) if form is np.asarray else form(dict(zip(names, part.T)))
        for part in (X[:200], X[200:253])
    )
    clf = cls(8).fit(rows, y[:200])
    want = clf.classes_[clf.predict_proba(queries).argmax(axis=1)]
    np.testing.assert_array_equal(clf.predict(queries), want)


def test_leave_one_out_and_graphs(digits, small_blocks):
    X, y = digits[0][:200], digits[1][:200]
    knn = SoftKNNClassifier(8).fit(X, y)
    proba = knn.predict_proba(None)
    np.testing.assert_array_equal(knn.predict(None), proba.argmax(axis=1))
    graph = KNeighborsTransformer(n_neighbors=20).fit(X)
    knn = SoftKNNClassifier(8, algorithm="precomputed").fit(graph.transform(X), y)
    queries = csr_matrix(graph.transform(digits[0][200:253]))
    np.testing.assert_array_equal(
        knn.predict(queries), knn.predict_proba(queries).argmax(axis=1)
    )


@pytest.mark.parametrize("lam", [0, 0.5, 1])
def test_rows_that_are_lists_or_cannot_be_sliced(digits, small_blocks, lam):
    class OneByOne:
        """No slices, like many data sets of torch."""

        def __init__(self, rows):
            self.rows = rows

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, place):
            return self.rows[int(place)]

    X, y = digits
    parse = FunctionTransformer(
        lambda rows: np.array([rows[i] for i in range(len(rows))])
    )
    joint = JointKNNClassifier(
        8,
        lam=lam,
        knn_transformer=parse,
        estimator=make_pipeline(parse, LogisticRegression(max_iter=500)),
    )
    joint.fit(X[:200].tolist(), y[:200])
    want = joint.predict_proba(X[200:253].tolist()).argmax(axis=1)
    for queries in (X[200:253].tolist(), OneByOne(X[200:253].tolist())):
        np.testing.assert_array_equal(joint.predict(queries), want)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cls", [SoftKNNClassifier, JointKNNClassifier])
def test_many_classes_need_no_table_of_all_probabilities(cls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 4)).astype(np.float32)
    y = np.arange(4000) % 2000
    queries = rng.normal(size=(20_000, 4)).astype(np.float32)
    clf = cls(5, algorithm="brute")
    if cls is JointKNNClassifier:
        clf.set_params(lam=1.0, estimator=LogisticRegression(max_iter=1), alpha=0)
    clf.fit(X, y)
    tracemalloc.start()
    clf.predict(queries)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 2000 * 8 / 2
