"""Graphs of neighbours, and those who take them."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsTransformer,
    NearestNeighbors,
)
from sklearn.pipeline import make_pipeline

from skknn import JointKNNClassifier, SoftKNNClassifier


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = rng.normal(size=(3, 5))[y] + 0.5 * rng.normal(size=(120, 5))
    X[7] = X[3]  # a neighbour at distance 0
    return X, y


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
@pytest.mark.parametrize("k", [1, 6])
def test_the_graph_is_that_of_scikit_learn(rows, mode, k):
    X, y = rows
    knn = SoftKNNClassifier(metric="euclidean", preprocessing=None, tau=1.0).fit(X, y)
    theirs = NearestNeighbors(n_neighbors=k).fit(X)
    for queries in (X[:9] + 0.01, X, None):
        got = knn.kneighbors_graph(queries, k, mode)
        want = theirs.kneighbors_graph(queries, k, mode)
        assert isinstance(got, csr_matrix) and got.dtype == want.dtype
        assert got.shape == want.shape and got.nnz == want.nnz
        if queries is not X:  # there the two copies may swap
            np.testing.assert_allclose(got.toarray(), want.toarray(), atol=1e-9)


def test_defaults_and_order(rows):
    X, y = rows
    knn = SoftKNNClassifier(4).fit(X, y)
    graph = knn.kneighbors_graph()
    assert graph.shape == (120, 120) and set(graph.data) == {1.0}
    ids = knn.kneighbors(return_distance=False)
    np.testing.assert_array_equal(graph.indices.reshape(ids.shape), ids)
    assert not graph.diagonal().any()
    distances = knn.kneighbors_graph(X[[3]], mode="distance")
    np.testing.assert_array_equal(distances.data, knn.kneighbors(X[[3]])[0][0])
    assert distances.nnz == 4 and (distances.data[:2] == 0).all()
    assert knn.kneighbors_graph(X[:1], 1).shape == (1, 120)
    with pytest.raises(ValueError, match="mode='length' must be 'connectivity'"):
        knn.kneighbors_graph(mode="length")


def test_scikit_learn_takes_it_as_precomputed(rows):
    X, y = rows
    knn = SoftKNNClassifier(9, metric="euclidean", preprocessing=None, tau=1.0)
    knn.fit(X[:90], y[:90])
    theirs = KNeighborsClassifier(5, metric="precomputed")
    theirs.fit(knn.kneighbors_graph(X[:90], mode="distance"), y[:90])
    got = theirs.predict_proba(knn.kneighbors_graph(X[90:], mode="distance"))
    want = KNeighborsClassifier(5).fit(X[:90], y[:90]).predict_proba(X[90:])
    np.testing.assert_array_equal(got, want)
    graph = knn.kneighbors_graph(X[:90], 40, mode="distance")
    clusters = DBSCAN(eps=0.9, metric="precomputed").fit_predict(graph)
    np.testing.assert_array_equal(clusters, DBSCAN(eps=0.9).fit_predict(X[:90]))


def test_this_package_takes_it_as_precomputed(rows):
    X, y = rows
    knn = SoftKNNClassifier(6).fit(X[:90], y[:90])
    given = SoftKNNClassifier(6, algorithm="precomputed")
    given.fit(knn.kneighbors_graph(mode="distance"), y[:90])
    np.testing.assert_array_equal(given.predict_proba(None), knn.predict_proba(None))
    queries = knn.kneighbors_graph(X[90:], mode="distance")
    np.testing.assert_array_equal(
        given.predict_proba(queries), knn.predict_proba(X[90:])
    )


def test_groups_are_left_out_of_it(rows):
    X, y = rows
    groups = np.arange(120) // 4
    knn = SoftKNNClassifier(6).fit(X, y, groups)
    own, other = knn.kneighbors_graph().nonzero()
    assert (groups[own] != groups[other]).all()


def test_pipelines_with_a_transformer_of_neighbours(rows):
    X, y = rows
    transformer = KNeighborsTransformer(n_neighbors=12, mode="distance")
    pipe = make_pipeline(transformer, SoftKNNClassifier(5, algorithm="precomputed"))
    plain = SoftKNNClassifier(5, metric="euclidean", preprocessing=None)
    got = pipe.fit(X, y).predict_proba(X[:20] + 0.01)
    want = plain.fit(X, y).predict_proba(X[:20] + 0.01)
    np.testing.assert_allclose(got, want, atol=1e-9)
    joint = JointKNNClassifier(
        5, algorithm="precomputed", knn_transformer=transformer
    ).fit(X, y)
    graph = joint.knn_.kneighbors_graph(transformer.fit(X).transform(X), 3, "distance")
    assert graph.shape == (120, 120)
