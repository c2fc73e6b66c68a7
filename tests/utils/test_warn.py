"""Warnings point at the line of the user, however many calls are between."""

import ast
import functools
import linecache
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from fungi_references import noise_images
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skknn
from skknn import (
    BackboneEmbedder,
    FungiTransformer,
    JointKNNClassifier,
    SimCLRObjective,
    SoftKNNClassifier,
)

SETTINGS = {"weights": None, "random_state": 0, "device": "cpu"}
X, Y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2


def within_a_pipeline():
    return make_pipeline(SoftKNNClassifier(n_neighbors=90)).fit(X, Y).predict(X)


def within_a_search():
    kinds = GridSearchCV(SoftKNNClassifier(), {"n_neighbors": [90]}, cv=2)
    return kinds.fit(X, Y)


def base_with_c():
    return JointKNNClassifier(estimator=LogisticRegression(), C=3).fit(X, Y)


def few_components():
    return FungiTransformer(
        "test_vit",
        objectives=[SimCLRObjective(n_views=4, n_negatives=2)],
        image_size=32,
        **SETTINGS,
    ).fit_transform(noise_images(4))


def no_gradient():
    """A network without variance has none."""
    return FungiTransformer(
        "test_resnet", objectives=["kl"], n_components=None, image_size=32, **SETTINGS
    ).fit_transform(noise_images(4))


def numbers_as_images():
    flat = np.zeros((2, 1000))
    return BackboneEmbedder("test_vit", image_size=32, **SETTINGS).fit_transform(flat)


@pytest.mark.parametrize(
    "act",
    [
        within_a_pipeline,
        within_a_search,
        base_with_c,
        few_components,
        no_gradient,
        numbers_as_images,
    ],
)
def test_the_line_is_the_users(act):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        act()
    assert seen
    for warning in seen:
        assert warning.filename == __file__, warning.message
        line = linecache.getline(__file__, warning.lineno)
        assert ".fit" in line or ".predict" in line or line.strip().startswith(")")


def test_in_a_thread_of_the_user():
    seen = []

    def work():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            base_with_c()
        seen.extend(caught)

    thread = threading.Thread(target=functools.partial(work))
    thread.start()
    thread.join()
    assert [warning.filename for warning in seen] == [__file__]


def test_there_is_one_way_to_warn():
    for path in Path(skknn.__file__).parent.rglob("*.py"):
        if path.name != "_warn.py":
            used = [
                ast.unparse(node)
                for node in ast.walk(ast.parse(path.read_text("utf8")))
                if isinstance(node, (ast.Attribute, ast.ImportFrom))
            ]
            assert "warnings.warn" not in used, path
            assert "from warnings import warn" not in used, path
