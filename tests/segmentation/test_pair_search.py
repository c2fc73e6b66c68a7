"""Features joined by gradients as pairs: the exact similarity, written out."""

import pickle

import numpy as np
import pytest

from skknn import DenseEmbedder, InContextSegmenter, PatchSimCLRObjective

WIDTHS = (10, 8, 12)


def unit(x):
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def written_out(rows, widths=WIDTHS):
    """Features and whole outer products whose inner product is the similarity."""
    rows = np.asarray(rows, np.float64).reshape(-1, sum(widths))
    f, a, b = (unit(part) for part in np.split(rows, np.cumsum(widths)[:2], axis=1))
    gradients = b[:, :, None] * a[:, None, :]
    return np.hstack([f, gradients.reshape(len(rows), -1)]) / np.sqrt(2)


def data(n=5, seed=0):
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 3, (n, 6, 7))
    means = np.random.default_rng(9).normal(size=(3, sum(WIDTHS)))
    maps = means[grid] + rng.normal(size=(n, 6, 7, sum(WIDTHS)))
    return maps.astype(np.float32), grid.repeat(4, axis=1).repeat(4, axis=2)


def test_neighbours_are_those_of_whole_outer_products():
    maps, masks = data()
    queries, _ = data(n=2, seed=1)
    queries[0, 0, 0, WIDTHS[0] :] = 0  # no gradient
    segmenter = InContextSegmenter(n_neighbors=9, similarity=WIDTHS).fit(maps, masks)
    distances, ids = segmenter.kneighbors(queries)
    exact = 1 - written_out(queries) @ written_out(maps).T
    order = np.argsort(exact, axis=1, kind="stable")[:, :9]
    np.testing.assert_array_equal(ids.reshape(-1, 9), order)
    expected = np.take_along_axis(exact, order, axis=1)
    np.testing.assert_allclose(distances.reshape(-1, 9), expected, atol=1e-6)
    assert segmenter.recall() == 1


def test_predictions_are_those_of_whole_outer_products():
    maps, masks = data()
    queries, _ = data(n=2, seed=1)
    pairs = InContextSegmenter(n_neighbors=9, similarity=list(WIDTHS)).fit(maps, masks)
    whole = InContextSegmenter(n_neighbors=9)
    whole.fit(written_out(maps).reshape(5, 6, 7, -1), masks)
    np.testing.assert_allclose(
        pairs.predict_proba(queries),
        whole.predict_proba(written_out(queries).reshape(2, 6, 7, -1)),
        atol=1e-4,
    )


def test_ties_go_to_the_first_row():
    maps, masks = data(n=1)
    maps = maps.repeat(4, axis=0)
    segmenter = InContextSegmenter(n_neighbors=4, similarity=WIDTHS)
    ids = segmenter.fit(maps, masks.repeat(4, axis=0)).kneighbors(
        maps[:1], return_distance=False
    )
    np.testing.assert_array_equal(
        ids[0], np.arange(42).reshape(6, 7, 1) + [0, 42, 84, 126]
    )


def test_rows_do_not_depend_on_the_block_or_threads(monkeypatch):
    from skknn.segmentation import _pair_search

    maps, masks = data()
    segmenter = InContextSegmenter(n_neighbors=9, similarity=WIDTHS).fit(maps, masks)
    distances, ids = segmenter.kneighbors(maps)
    monkeypatch.setattr(_pair_search, "_BYTES", 4 * 210 * 5)
    monkeypatch.setattr(_pair_search, "_GATHER", 100)
    segmenter.set_params(n_jobs=2).fit(maps, masks)
    for found, expected in zip(segmenter.kneighbors(maps), (distances, ids)):
        np.testing.assert_array_equal(found, expected)


def test_only_features_are_centred():
    maps, masks = data()
    segmenter = InContextSegmenter(
        n_neighbors=9, similarity=WIDTHS, preprocessing="l2-center"
    ).fit(maps, masks)
    mean = segmenter.mean_
    assert (mean[10:] == 0).all() and (mean[:10] != 0).all()
    rows = unit(maps.reshape(-1, 30).astype(np.float64))
    np.testing.assert_allclose(mean[:10], rows[:, :10].mean(axis=0), atol=1e-6)
    exact = 1 - written_out(rows - mean) @ written_out(rows - mean).T
    distances = segmenter.kneighbors(maps)[0].reshape(-1, 9)
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :9], atol=1e-6)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    masks = np.zeros((3, 64, 64), np.uint8)
    for i, cut in enumerate((16, 32, 48)):
        masks[i, :, cut:] = 7
    images = np.where(masks[..., None] == 7, 210, 40)
    return (images + rng.integers(0, 30, (3, 64, 64, 3))).astype(np.uint8), masks


def embedder(**params):
    return DenseEmbedder(
        "test_vit",
        weights=None,
        image_size=64,
        random_state=0,
        gradients=PatchSimCLRObjective(n_support=30),
        **params,
    )


def test_the_embedder_says_that_gradients_are_pairs(images):
    pictures, masks = images
    segmenter = InContextSegmenter(embedder(), n_neighbors=5).fit(pictures, masks)
    maps = embedder().fit_transform(pictures)
    widths = segmenter.embedder_.pair_widths_
    exact = 1 - written_out(maps, widths) @ written_out(maps, widths).T
    distances = segmenter.kneighbors(pictures)[0].reshape(-1, 5)
    np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :5], atol=1e-6)
    again = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(again.predict(pictures), segmenter.predict(pictures))
    segmenter.partial_fit(pictures, masks)
    assert len(segmenter.bank_) == 2 * 48
    np.testing.assert_allclose(
        segmenter.kneighbors(pictures)[0][..., ::2].reshape(-1, 3)[:, :2],
        np.sort(exact, axis=1)[:, :2],
        atol=1e-6,
    )
    cosine = InContextSegmenter(embedder(), n_neighbors=5, similarity="cosine")
    cosine.fit(pictures, masks)
    found = cosine.kneighbors(pictures)[0].reshape(-1, 5)
    flat = unit(np.float64(maps.reshape(48, -1)))
    expected = np.sort(1 - flat @ flat.T, axis=1)[:, :5]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_projected_gradients_are_searched_by_cosine(images):
    pictures, masks = images
    projected = embedder(gradient_form="projected", projection_dim=16)
    segmenter = InContextSegmenter(projected, n_neighbors=5, algorithm="torch")
    segmenter.fit(pictures, masks)
    assert segmenter.n_features_in_ == 80
    assert segmenter.predict(pictures).shape == masks.shape


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"similarity": (10, 20)}, "three positive widths"),
        ({"similarity": (10, 0, 20)}, "three positive widths"),
        ({"similarity": (10, 8, 11)}, "29 channels.*; maps have 30.*pair_widths_"),
        ({"similarity": "euclidean"}, "similarity"),
        ({"similarity": WIDTHS, "algorithm": "torch"}, "'auto' or 'brute'"),
    ],
)
def test_what_will_not_do(params, message):
    with pytest.raises(ValueError, match=message):
        InContextSegmenter(**params).fit(*data())
