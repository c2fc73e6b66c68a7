"""Transformers of texts inside scikit-learn's other tools, beside images."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_estimator_cloneable,
    check_estimator_repr,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)
from text_models import save_model, texts

from skknn import (
    BackboneEmbedder,
    BlockWeights,
    FungiTransformer,
    JointKNNClassifier,
    NeighborSearchCV,
    SoftKNNClassifier,
    TextBackbone,
)

X = texts(40, seed=2)
# Something to learn.
Y = np.array(["sea" in text for text in X]).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "bert")


def fungi(folder, **kwargs):
    settings = {
        "objectives": "kl",
        "n_components": 8,
        "random_state": 0,
        "device": "cpu",
        "precision": "float32",
    }
    return FungiTransformer(TextBackbone(folder), **settings | kwargs)


def own_checks(estimator):
    """What scikit-learn asks of an estimator whatever its input is."""
    name = type(estimator).__name__
    check_estimator_cloneable(name, estimator)
    check_estimator_repr(name, estimator)
    check_get_params_invariance(name, clone(estimator))
    check_set_params(name, clone(estimator))
    check_no_attributes_set_in_init(name, clone(estimator))
    check_parameters_default_constructible(name, clone(estimator))


@pytest.mark.parametrize("kind", [BackboneEmbedder, FungiTransformer])
def test_scikit_learn_accepts_a_transformer_of_texts(kind, folder):
    own_checks(kind(TextBackbone(folder)))
    tags = get_tags(kind(TextBackbone(folder)))
    assert tags.input_tags.string and not tags.input_tags.two_d_array
    assert get_tags(kind()).input_tags.two_d_array
    with pytest.raises(Exception, match="not fitted yet"):
        kind(TextBackbone(folder)).transform(X)
    assert inspect.signature(kind).parameters["backbone"].default == (
        "tf_efficientnet_lite0"
    )


def test_scikit_learn_accepts_the_backbone():
    backbone = TextBackbone(pooling="max")
    assert clone(backbone).get_params() == backbone.get_params()
    assert repr(backbone) == "TextBackbone(pooling='max')"
    assert pickle.loads(pickle.dumps(backbone)).pooling == "max"
    assert backbone.set_params(max_length=5).max_length == 5


def test_a_failed_fit_leaves_it_unfitted(folder):
    fitted = fungi(folder).fit(X)
    with pytest.raises(ValueError, match="row 1"):
        fitted.fit([X[0], None])
    assert not hasattr(fitted, "pca_")
    with pytest.raises(Exception, match="not fitted yet"):
        fitted.transform(X)


def test_fit_transform_is_fit_then_transform(folder):
    rows = fungi(folder).fit_transform(X)
    fitted = fungi(folder).fit(X)
    assert_array_equal(fitted.transform(X), rows)
    assert rows.shape == (40, 8)
    assert list(fitted.get_feature_names_out()[:2]) == [
        "fungitransformer0",
        "fungitransformer1",
    ]
    data = pickle.dumps(fitted)
    # Negatives and PCA; heads and projection are drawn again.
    taught = fitted.pca_.components_.nbytes
    taught += sum(array.nbytes for array in fitted.negatives_.values())
    assert len(data) < taught + 10_000
    assert_array_equal(pickle.loads(data).transform(X), rows)


def test_cross_validation_and_grids(folder, tmp_path):
    pipeline = make_pipeline(fungi(folder, memory=tmp_path), JointKNNClassifier(3))
    assert cross_val_score(pipeline, X, Y, cv=3, n_jobs=2).shape == (3,)
    grid = {
        "fungitransformer__backbone__pooling": ["mean", "cls"],
        "fungitransformer__objectives__kl__temperature": [1.0, 15.0],
        "jointknnclassifier__k": [1, 3],
    }
    for given in (X, np.array(X, dtype=object), pd.Series(X)):
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(given, Y)
        assert search.cv_results_["mean_test_score"].shape == (8,)
    predicted = search.predict(X)
    assert set(predicted) <= {0, 1}


def test_neighbor_search_gives_the_scores_of_a_grid_search(folder, tmp_path):
    pipeline = make_pipeline(fungi(folder, memory=tmp_path), SoftKNNClassifier())
    grid = {
        "fungitransformer__backbone__pooling": ["mean", "cls"],
        "softknnclassifier__k": [1, 3, 5],
        "softknnclassifier__tau": [0.1, 1.0],
    }
    slow = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, Y)
    fast = NeighborSearchCV(pipeline, grid, cv=3).fit(X, Y)
    key = "mean_test_score"
    np.testing.assert_allclose(fast.cv_results_[key], slow.cv_results_[key])
    assert fast.cv_results_["params"][fast.best_index_] == slow.best_params_


def test_texts_images_and_numbers_side_by_side(folder):
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))
    frame = pd.DataFrame(
        {"question": X, "picture": images, "price": rng.normal(size=40)},
        index=range(100, 140),
    )
    pictures = FungiTransformer(
        "test_vit",
        weights=None,
        image_size=32,
        objectives="kl",
        n_components=4,
        random_state=0,
        device="cpu",
    )
    columns = make_column_transformer(
        (fungi(folder), "question"),
        (pictures, "picture"),
        (StandardScaler(), ["price"]),
    )
    rows = columns.fit_transform(frame)
    assert rows.shape == (40, 8 + 4 + 1)
    assert_array_equal(rows[:, :8], fungi(folder).fit_transform(X))
    assert_array_equal(rows[:, 8:12], clone(pictures).fit_transform(images))
    # In lists: scikit-learn takes the index of a Series itself only in later versions.
    columns_alone = make_column_transformer(
        (fungi(folder), ["question"]), (StandardScaler(), ["price"])
    )
    named = columns_alone.set_output(transform="pandas").fit_transform(frame)
    assert list(named.index) == list(frame.index)
    assert named.columns[0] == "fungitransformer__fungitransformer0"
    model = make_pipeline(columns, SoftKNNClassifier(3)).fit(frame, Y)
    assert model.predict(frame[:5]).shape == (5,)
    listed = make_column_transformer((fungi(folder), ["question"]))
    assert_array_equal(listed.fit_transform(frame), rows[:, :8])


def test_unions_stacks_and_block_weights(folder):
    union = make_union(
        fungi(folder, n_components=None),
        BackboneEmbedder(TextBackbone(folder, pooling="cls"), device="cpu"),
    )
    assert union.fit_transform(X).shape == (40, 72)
    blocks = make_pipeline(fungi(folder, n_components=None), BlockWeights())
    assert np.isfinite(blocks.fit_transform(X, Y)).all()
    stack = StackingClassifier(
        [
            ("votes", make_pipeline(fungi(folder), SoftKNNClassifier(3))),
            (
                "linear",
                make_pipeline(
                    BackboneEmbedder(TextBackbone(folder), device="cpu"),
                    LogisticRegression(),
                ),
            ),
        ],
        cv=2,
    )
    given = np.array(X, dtype=object)
    assert stack.fit(given, Y).predict(given).shape == (40,)
