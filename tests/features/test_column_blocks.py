"""BlockWeights: which columns it takes for blocks."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fungi_examples import OBJECTIVES, tiny
from fungi_references import noise_images
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import normalize

from skknn import BlockWeights, SoftKNNClassifier


def unit_blocks(widths, n=30, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    parts = [normalize(rng.standard_normal((n, w))).astype(dtype) for w in widths]
    return np.hstack(parts), np.arange(n) % 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("widths", [(4, 4), (5, 2, 9), (1, 3, 1), (40, 30, 20, 10)])
def test_unit_rows(widths, dtype):
    X, y = unit_blocks(widths, dtype=dtype)
    fitted = BlockWeights().fit(X, y)
    explicit = BlockWeights(blocks=list(widths)).fit(X, y)
    assert fitted.weights_ == explicit.weights_
    np.testing.assert_array_equal(fitted.transform(X), explicit.transform(X))


def test_unit_rows_with_zeros_in_them():
    X, y = unit_blocks((5, 6, 7))
    X[3, 5:11] = 0  # a gradient that is exactly zero
    X = np.insert(X, [0, 5, 5, 11, 18], 0, axis=1)  # features that are never on
    fitted = BlockWeights(center=False).fit(X, y)
    assert len(fitted.weights_) == 3
    explicit = BlockWeights(blocks=[6, 8, 9], center=False).fit(X, y)
    assert fitted.path_ == explicit.path_


@pytest.mark.parametrize(
    "change",
    [
        lambda X: 2 * X,
        lambda X: X[:, :-1],
        lambda X: X[:, ::-1][:, 1:],
        lambda X: X[:, :4],  # one block of unit rows
        lambda X: np.round(9 * X),
        lambda X: (X > 0).astype(float),
    ],
)
def test_no_blocks_in_arrays(change):
    X, y = unit_blocks((4, 4, 5))
    with pytest.warns(UserWarning, match="finds one block only.*n_components=None"):
        fitted = BlockWeights().fit(change(X), y)
    assert fitted.weights_ == {"block0": 1.0} and len(fitted.path_) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["kl0", "kl1", "embedding0"], {"kl": 2, "embedding": 1}),
        (["kl0", "kl_20", "kl_21"], {"kl": 1, "kl_2": 2}),
        ([f"a{i}" for i in range(12)] + ["b0"], {"a": 12, "b": 1}),
        (["x__kl0", "x__kl1", "x__d0"], {"x__kl": 2, "x__d": 1}),
        (["vit__a", "cnn__b", "vit__c"], {"vit": 2, "cnn": 1}),
        (["vit__pca0", "vit__pca1", "cnn__b"], {"vit": 2, "cnn": 1}),
        (["embedding__pca0", "embedding__pca1", "kl__pca0"], {"embedding": 2, "kl": 1}),
        (["a__u__pca0", "a__embedding__pca0"], {"a__u": 1, "a__embedding": 1}),
        (["a__u__pca0", "b__v__pca0", "b__v__pca1"], {"a": 1, "b": 2}),
        (["vit__embedding0", "cnn__kl0"], {"vit__embedding": 1, "cnn": 1}),
        (
            ["v__kl0", "v__embedding0", "c__kl0", "c__dino0"],
            {"v__kl": 1, "v__embedding": 1, "c__kl": 1, "c__dino": 1},
        ),
        (["kl0", "kl__a0", "kl__a__b0"], {"kl": 1, "kl__a": 1, "kl__a__b": 1}),
        (["x__layer1_0", "x__layer11_0"], {"x__layer1": 1, "x__layer11": 1}),
    ],
    ids=str,
)
def test_names_of_columns(names, expected):
    X = np.random.default_rng(0).standard_normal((20, len(names)))
    frame, y = pd.DataFrame(X, columns=names), np.arange(20) % 2
    fitted = BlockWeights().fit(frame, y)
    assert list(fitted.weights_) == list(expected)
    kept = BlockWeights(weights=(0, 1)).fit(frame, y).feature_slices_
    for name, part in kept.items():
        assert part.stop - part.start == expected[name]


@pytest.mark.parametrize(
    "names", [["a", "b", "c"], ["a1", "a2", "a3"], ["x0", "x1", "x2"]]
)
def test_names_that_tell_nothing(names):
    X = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.warns(UserWarning, match="finds one block only"):
        BlockWeights().fit(pd.DataFrame(X, columns=names), np.arange(20) % 2)


def test_names_of_nothing_on_unit_rows():
    X, y = unit_blocks((3, 4))
    frame = pd.DataFrame(X, columns=[f"feature {i + 1}" for i in range(7)])
    assert list(BlockWeights().fit(frame, y).weights_) == ["block0", "block1"]


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("embedding", "kl"), "embedding"),
        (("kl", "embedding", "dino"), "embedding"),
        (("a__embedding", "a__kl"), "a__embedding"),
        (("kl", "dino"), "dino"),
        (("kl", "embedding__mean", "embedding__std", "dino"), "embedding__mean"),
        (("embedding__kl", "embedding__embedding", "dino"), "embedding__embedding"),
    ],
)
def test_where_the_search_starts(names, first):
    X, y = unit_blocks((3,) * len(names))
    slices = {name: slice(3 * i, 3 * i + 3) for i, name in enumerate(names)}
    start = BlockWeights(blocks=slices).fit(X, y).path_[0]["weights"]
    assert [name for name, weight in start.items() if weight] == [first]


def test_steps_of_unions_of_frames():
    X, y = load_iris(return_X_y=True, as_frame=True)
    union = FeatureUnion([("embedding", PCA(3)), ("kl", PCA(2))])
    pipe = make_pipeline(union, BlockWeights()).set_output(transform="pandas")
    found = pipe.fit(X, y)[-1]
    assert list(found.weights_) == ["embedding", "kl"]
    assert found.path_[0]["weights"] == {"embedding": 1, "kl": 0}
    nested = FeatureUnion([("vit", union), ("cnn", PCA(1))])
    pipe = make_pipeline(nested, BlockWeights()).set_output(transform="pandas")
    found = pipe.fit(X, y)[-1]
    assert list(found.weights_) == ["vit__embedding", "vit__kl", "cnn"]
    assert found.path_[0]["weights"] == {"vit__embedding": 1, "vit__kl": 0, "cnn": 0}


@pytest.mark.parametrize("blocks", [3, [4, 4, 4], np.array([4, 4, 4]),
                                    {"block0": slice(0, 4), "block1": [4, 5, 6, 7],
                                     "block2": slice(8, None)}])  # fmt: skip
def test_ways_to_name_them(blocks):
    X, y = unit_blocks((4, 4, 4))
    assert BlockWeights(blocks=blocks).fit(X, y).path_ == BlockWeights().fit(X, y).path_


def test_columns_of_no_block_are_left_out():
    X, y = unit_blocks((4, 4))
    X[:, 4:6] = 1e6
    part = {"a": slice(0, 4), "b": slice(6, 8)}
    rows = BlockWeights(blocks=part).fit(X, y).transform(X)
    alone = BlockWeights(blocks=[4, 2]).fit(X[:, [0, 1, 2, 3, 6, 7]], y)
    np.testing.assert_array_equal(rows, alone.transform(X[:, [0, 1, 2, 3, 6, 7]]))


def test_a_pipeline_with_nothing_to_write():
    X, y = noise_images(12), np.arange(12) % 2
    fungi = tiny(objectives=OBJECTIVES[:2], include_view_embeddings=True)
    pipe = make_pipeline(fungi, BlockWeights(), SoftKNNClassifier(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe.fit(X, y)
        cross_val_score(pipe, X, y, cv=2)
    rows = pipe[0].transform(X)
    explicit = BlockWeights(blocks=pipe[0].feature_slices_).fit(rows, y)
    assert list(explicit.weights_) == ["kl", "dino", "dino_views", "embedding"]
    assert list(pipe[1].weights_.values()) == list(explicit.weights_.values())
    pipe.set_output(transform="pandas").fit(X, y)
    assert pipe[1].weights_ == explicit.weights_
    pipe.set_params(fungitransformer__n_components=4).set_output(transform="default")
    with pytest.warns(UserWarning, match=r"use FungiTransformer\(n_components=None\)"):
        pipe.fit(X, y)


def test_names_that_read_alike_are_refused():
    weights = BlockWeights(blocks={1: slice(0, 2), "1": slice(2, 4)})
    with pytest.raises(ValueError, match="names that read alike"):
        weights.fit(np.eye(4), [0, 0, 1, 1])
