"""Rows that come while predictions are under way, as from another thread."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from skknn import JointKNNClassifier, SoftKNNClassifier

RNG = np.random.default_rng(0)
Y = np.repeat(["b", "c"], 20)
X = RNG.normal(size=(40, 3)) + 3 * (Y == "c")[:, None]


class Meanwhile:
    """A search engine during whose next search something else happens."""

    then = None

    def fit(self, X):
        self.searcher = NearestNeighbors().fit(X)
        return self

    def kneighbors(self, X, n_neighbors):
        then, Meanwhile.then = Meanwhile.then, None
        if then is not None:
            then()
        return self.searcher.kneighbors(X, n_neighbors)


@pytest.mark.parametrize("classifier", [SoftKNNClassifier, JointKNNClassifier])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_answers_are_of_the_rows_that_were_asked(classifier, method):
    """A class that is sorted first moves the numbers of all others."""
    model = classifier(3, preprocessing=None, algorithm=Meanwhile()).fit(X, Y)
    expected = getattr(model, method)(X)
    Meanwhile.then = lambda: model.partial_fit(X[:3] + 100, ["a"] * 3)
    np.testing.assert_array_equal(getattr(model, method)(X), expected)
    assert model.classes_.tolist() == ["a", "b", "c"]


def test_graphs_are_of_the_rows_that_were_asked():
    model = SoftKNNClassifier(3, preprocessing=None, algorithm=Meanwhile()).fit(X, Y)
    Meanwhile.then = lambda: model.partial_fit(X[:3] + 100, ["a"] * 3)
    assert model.kneighbors_graph(X).shape == (40, 40)
