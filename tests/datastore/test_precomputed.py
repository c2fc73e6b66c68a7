"""algorithm="precomputed": sparse graphs instead of feature rows."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline

from skknn import (
    JointKNNClassifier,
    KNNWeightedLogisticRegression,
    SoftKNNClassifier,
)
from skknn.datastore import NeighborIndex
from skknn.datastore._precomputed import graph_neighbors


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=150)
    return rng.normal(size=(150, 4)) + y[:, None], np.array(["a", "b", "c"])[y]


def transformer(n_neighbors, **kw):
    return KNeighborsTransformer(
        n_neighbors=n_neighbors, mode="distance", metric="sqeuclidean", **kw
    )


def test_graphs_give_what_the_rows_give(rows):
    X, y = rows
    maker = transformer(12).fit(X[:100])
    graph, queries = maker.transform(X[:100]), maker.transform(X[100:])
    direct = SoftKNNClassifier(8, preprocessing=None).fit(X[:100], y[:100])
    knn = SoftKNNClassifier(8, algorithm="precomputed").fit(graph, y[:100])
    assert knn.algorithm_ == "precomputed" and knn.mean_ is None
    for a, b in zip(knn.kneighbors(queries), direct.kneighbors(X[100:])):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    for a, b in zip(knn.kneighbors(None), direct.kneighbors(None)):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    np.testing.assert_allclose(
        knn.predict_proba(queries), direct.predict_proba(X[100:]), rtol=1e-9
    )
    np.testing.assert_allclose(
        knn.predict_proba(None), direct.predict_proba(None), rtol=1e-9
    )


def test_a_pipeline_with_the_transformer_in_a_grid_search(rows):
    X, y = rows
    pipe = make_pipeline(transformer(12), SoftKNNClassifier(algorithm="precomputed"))
    grid = {"softknnclassifier__k": [3, 8], "softknnclassifier__tau": [0.1, 1.0]}
    scores = GridSearchCV(pipe, grid, cv=4).fit(X, y).cv_results_
    grid = {"k": [3, 8], "tau": [0.1, 1.0]}
    want = GridSearchCV(SoftKNNClassifier(preprocessing=None), grid, cv=4).fit(X, y)
    np.testing.assert_array_equal(
        scores["mean_test_score"], want.cv_results_["mean_test_score"]
    )


def test_cross_validation_cuts_rows_and_columns_of_a_graph(rows):
    X, y = rows
    # All distances, so that every fold has neighbours enough.
    graph = transformer(149).fit_transform(X)
    assert issparse(graph)
    knn = SoftKNNClassifier(8, algorithm="precomputed")
    got = cross_val_predict(knn, graph, y, cv=5)
    want = cross_val_predict(SoftKNNClassifier(8, preprocessing=None), X, y, cv=5)
    np.testing.assert_array_equal(got, want)
    tags = knn.__sklearn_tags__().input_tags
    assert tags.sparse and tags.pairwise
    tags = clone(knn).set_params(algorithm="auto").__sklearn_tags__().input_tags
    assert not tags.sparse and not tags.pairwise


def test_a_joint_classifier_reads_the_graph_of_its_transformer(rows):
    X, y = rows
    joint = JointKNNClassifier(
        8, knn_transformer=transformer(9), algorithm="precomputed"
    ).fit(X, y)
    want = JointKNNClassifier(8, preprocessing=None).fit(X, y)
    np.testing.assert_allclose(
        joint.predict_proba(X[:20]), want.predict_proba(X[:20]), rtol=1e-9
    )
    for alone in (
        JointKNNClassifier(algorithm="precomputed"),
        KNNWeightedLogisticRegression(algorithm="precomputed"),
    ):
        with pytest.raises(ValueError, match="knn_transformer=KNeighborsTransformer"):
            alone.fit(transformer(9).fit_transform(X), y)


def test_entries_need_no_order_and_ties_go_to_the_lower_row():
    graph = csr_matrix(
        (
            np.array([2.0, 0.0, 1.0, 1.0, 0.5, 0.0, 3.0, 3.0]),
            np.array([3, 0, 2, 1, 3, 1, 2, 0]),
            np.array([0, 4, 8]),
        ),
        shape=(2, 4),
    )
    distances, ids = graph_neighbors(graph, 3)
    np.testing.assert_array_equal(ids, [[0, 1, 2], [1, 3, 0]])
    np.testing.assert_array_equal(distances, [[0, 1, 1], [0, 0.5, 3]])
    distances, ids = graph_neighbors(graph, 3, np.array([0, 1]))
    np.testing.assert_array_equal(ids, [[1, 2, 3], [3, 0, 2]])


def test_a_row_without_itself_in_the_graph_loses_nothing():
    graph = csr_matrix(np.array([[0.0, 1, 2], [1, 0, 3], [2, 3, 0]]))
    assert graph.nnz == 6  # no explicit zeros
    index = NeighborIndex(algorithm="precomputed").fit(graph)
    distances, ids = index.leave_one_out(2)
    np.testing.assert_array_equal(ids, [[1, 2], [0, 2], [0, 1]])
    np.testing.assert_array_equal(distances, [[1, 2], [1, 3], [2, 3]])


def test_errors_name_row_count_and_remedy(rows):
    X, y = rows
    graph = transformer(5).fit_transform(X)
    knn = SoftKNNClassifier(20, algorithm="precomputed").fit(graph, y)
    message = r"row 0 .* has 5 neighbours apart from itself, but 20 .*150 of 150 rows.*"
    with pytest.raises(ValueError, match=message + r"n_neighbors=20"):
        knn.predict_proba(None)
    with pytest.raises(ValueError, match="row 0 .* has 6 neighbours, but 20"):
        knn.predict(graph)
    with pytest.raises(ValueError, match="sparse graph.*KNeighborsTransformer"):
        SoftKNNClassifier(algorithm="precomputed").fit(X, y)
    with pytest.raises(ValueError, match=r"shape \(150, 4\).*150 training rows"):
        SoftKNNClassifier(algorithm="precomputed").fit(csr_matrix(X), y)
    with pytest.raises(ValueError, match="sparse graph"):
        knn.predict(X)
    bad = graph.copy()
    bad.data[7] = -1.0
    with pytest.raises(ValueError, match=r"row 1 .*distance -1.0"):
        SoftKNNClassifier(algorithm="precomputed").fit(bad, y)


def test_leave_one_out_in_parts_names_the_true_row(rows):
    X, y = rows
    graph = transformer(9).fit_transform(X).tolil()
    graph[140] = 0
    graph[140, 3] = 1.0
    index = NeighborIndex(algorithm="precomputed").fit(graph.tocsr())
    index.leave_one_out(5, slice(0, 140))
    with pytest.raises(ValueError, match="row 140 .* has 1 neighbours apart"):
        index.leave_one_out(5, slice(100, 150))
