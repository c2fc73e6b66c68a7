"""InContextSegmenter against a float64 brute force and SoftKNNClassifier."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from skknn import InContextSegmenter, SoftKNNClassifier
from skknn.metrics import mean_iou


def data(n=4, h=5, w=6, d=8, seed=0, n_classes=4, tile=4):
    """Maps whose vectors point to their class, with noise, and masks."""
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, n_classes, (n, h, w))
    means = np.random.default_rng(9).normal(size=(n_classes, d))
    maps = means[grid] + 0.8 * rng.normal(size=(n, h, w, d))
    masks = grid.repeat(tile, axis=1).repeat(tile, axis=2).astype(np.uint8)
    noise = rng.random(masks.shape) < 0.15
    masks[noise] = rng.integers(0, n_classes, noise.sum())
    masks[rng.random(masks.shape) < 0.05] = 255
    return maps.astype(np.float32), masks


def brute_force(segmenter, maps, k, tau):
    """Votes in float64, query by query."""
    bank = segmenter.bank_.features.astype(np.float64)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    labels = segmenter.bank_.labels.toarray().astype(np.float64)
    out = []
    for query in maps.reshape(-1, maps.shape[-1]).astype(np.float64):
        cosine = bank @ query / np.linalg.norm(query)
        nearest = np.argsort(-cosine, kind="stable")[:k]
        weights = np.exp((cosine[nearest] - cosine[nearest[0]]) / tau)
        out.append(weights @ labels[nearest] / weights.sum())
    return np.reshape(out, (*maps.shape[:3], -1))


@pytest.mark.parametrize("algorithm", ["auto", "brute", "torch", "fast", "faiss"])
def test_votes_are_those_of_a_brute_force(algorithm):
    maps, masks = data()
    queries, _ = data(seed=1)
    segmenter = InContextSegmenter(n_neighbors=13, tau=0.05, algorithm=algorithm)
    segmenter.fit(maps, masks)
    sizes = [(5, 6)] * 4
    found = segmenter.predict_proba(queries, sizes)
    expected = brute_force(segmenter, queries, 13, 0.05)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    distances, ids = segmenter.kneighbors(queries)
    assert distances.shape == ids.shape == (4, 5, 6, 13)
    assert (np.diff(distances, axis=-1) >= 0).all()
    bank = segmenter.bank_.features.astype(np.float64)
    unit = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
    cosine = np.einsum("nhwd,nhwkd->nhwk", unit, bank[ids])
    np.testing.assert_allclose(distances, 1 - cosine, atol=1e-6)


def test_maps_of_more_positions_than_are_searched_together():
    maps, masks = data(n=1, h=27, w=30)
    queries, _ = data(n=1, h=27, w=30, seed=1)
    segmenter = InContextSegmenter(n_neighbors=13, tau=0.05).fit(maps, masks)
    found = segmenter.predict_proba(queries, [(27, 30)])
    expected = brute_force(segmenter, queries, 13, 0.05)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_hard_labels_are_soft_knn():
    maps, _ = data()
    queries, _ = data(seed=1)
    labels = np.random.default_rng(0).integers(0, 4, (4, 5, 6))
    segmenter = InContextSegmenter(n_neighbors=30).fit(maps, labels)
    knn = SoftKNNClassifier(30, tau=0.02, metric="cosine", preprocessing=None)
    knn.fit(maps.reshape(-1, 8), labels.ravel())
    expected = knn.predict_proba(queries.reshape(-1, 8)).reshape(4, 5, 6, 4)
    np.testing.assert_allclose(segmenter.predict_proba(queries), expected, atol=1e-6)
    centred = InContextSegmenter(n_neighbors=30, preprocessing="l2-center")
    centred.fit(maps, labels)
    knn.set_params(preprocessing="l2-center").fit(maps.reshape(-1, 8), labels.ravel())
    expected = knn.predict_proba(queries.reshape(-1, 8)).reshape(4, 5, 6, 4)
    np.testing.assert_allclose(centred.predict_proba(queries), expected, atol=1e-5)


def test_extreme_temperatures():
    maps, masks = data()
    queries, _ = data(seed=1)
    segmenter = InContextSegmenter(n_neighbors=9, tau=1e-9).fit(maps, masks)
    ids = segmenter.kneighbors(queries, return_distance=False)
    labels = segmenter.bank_.labels.toarray()
    sizes = [(5, 6)] * 4
    cold = segmenter.predict_proba(queries, sizes)
    np.testing.assert_allclose(cold, labels[ids[..., 0]], atol=1e-6)
    hot = segmenter.set_params(temperature=np.inf).predict_proba(queries, sizes)
    np.testing.assert_allclose(hot, labels[ids].mean(axis=3), atol=1e-6)


def test_the_scale_of_queries_does_not_matter_and_zero_gives_no_nan():
    maps, masks = data()
    queries, _ = data(seed=1)
    for preprocessing in ("l2", "l2-center"):
        segmenter = InContextSegmenter(preprocessing=preprocessing).fit(maps, masks)
        expected = segmenter.predict_proba(queries)
        scaled = queries * np.float32(2.0) ** np.arange(-12, 12, 6)[:, None, None, None]
        np.testing.assert_array_equal(segmenter.predict_proba(scaled), expected)
        queries[0, 0, 0] = 0
        proba = segmenter.predict_proba(queries)
        np.testing.assert_allclose(proba.sum(axis=-1), 1, atol=1e-5)
    maps[1] = 0  # no direction: no part of the bank
    assert set(InContextSegmenter().fit(maps, masks).bank_.images) == {0, 2, 3}


def test_an_image_that_is_its_own_bank_gets_its_mask_back():
    maps, masks = data(n=1, n_classes=3)
    masks = np.where(masks == 255, 0, masks)
    segmenter = InContextSegmenter(n_neighbors=1).fit(maps, masks)
    shares = segmenter.bank_.labels.toarray().reshape(5, 6, -1)
    found = segmenter.predict_proba(maps, sizes=[(5, 6)])[0]
    np.testing.assert_allclose(found, shares, atol=1e-6)
    whole = masks[:, 1::4, 1::4].repeat(4, axis=1).repeat(4, axis=2)
    segmenter.fit(maps, whole)
    small = segmenter.predict(maps, sizes=[(5, 6)])[0]
    np.testing.assert_array_equal(small, whole[0, ::4, ::4])


def test_sizes():
    maps, masks = data()
    segmenter = InContextSegmenter().fit(maps, masks)
    assert segmenter.pixels_per_position_ == (4, 4)
    labels = segmenter.predict(maps)
    assert labels.shape == masks.shape and labels.dtype == np.uint8
    assert segmenter.predict([maps[0], maps[1, :2]])[1].shape == (8, 24)
    several = segmenter.predict(maps[:2], sizes=[(3, 3), (7, 9)])
    assert [m.shape for m in several] == [(3, 3), (7, 9)]
    mixed = InContextSegmenter().fit(list(maps), [masks[0, :8], *masks[1:]])
    assert mixed.pixels_per_position_ is None
    assert mixed.predict(maps).shape == (4, 5, 6)


def test_maps_of_less_than_a_pixel_of_their_masks_get_one():
    maps = np.random.default_rng(0).normal(size=(2, 2, 4, 5)).astype(np.float32)
    masks = np.array([[[0]], [[1]]])
    segmenter = InContextSegmenter(n_neighbors=2).fit(maps, masks)
    assert segmenter.pixels_per_position_ == (0.5, 0.25)
    part = maps[:, :1, :1]
    assert segmenter.predict(part).tolist() == masks.tolist()
    assert segmenter.predict_proba(part).shape == (2, 1, 1, 2)


def test_score_and_grid_scores():
    maps, masks = data()
    queries, truth = data(seed=1)
    segmenter = InContextSegmenter().fit(maps, masks)
    scores = segmenter.grid_scores(queries, truth, [1, 10, 40], [0.02, 0.2])
    for i, k in enumerate([1, 10, 40]):
        for j, tau in enumerate([0.02, 0.2]):
            segmenter.set_params(k=k, tau=tau)
            labels = segmenter.predict(queries)
            expected = mean_iou(truth, labels, n_classes=4, ignore_index=255)
            assert segmenter.score(queries, truth) == pytest.approx(expected, rel=1e-12)
            assert scores[i, j] == pytest.approx(expected, rel=1e-12)
    assert scores.max() > 0.4


def published_choice(labels, uniform, n):
    """The published score, loop by loop."""
    scores = []
    for i, row in enumerate(labels):
        total = 0
        for c in range(labels.shape[1]):
            if row[c] > 0:
                total += sum(other[c] > 0 for other in labels)
        scores.append(total * uniform[i])
    return sorted(np.argsort(scores, kind="stable")[:n].tolist())


def test_published_sampling():
    from skknn.segmentation._sampling import class_frequency_score, smallest

    maps, masks = data(n=1, h=8, w=9)
    bank = InContextSegmenter().fit(maps, masks).bank_
    uniform = np.random.default_rng(5).random(len(bank))
    scores = class_frequency_score(bank.labels, uniform)
    expected = published_choice(bank.labels.toarray(), uniform, 20)
    assert smallest(scores, 20).tolist() == expected


def test_bounded_banks():
    maps, masks = data(n=6)
    settings = {"max_patches": 50, "random_state": 0}
    segmenter = InContextSegmenter(**settings).fit(maps, masks)
    assert np.bincount(segmenter.bank_.images).tolist() == [8] * 6
    again = InContextSegmenter(**settings).fit(maps, masks)
    np.testing.assert_array_equal(segmenter.bank_.features, again.bank_.features)
    other = InContextSegmenter(max_patches=50, random_state=1).fit(maps, masks)
    assert not np.array_equal(segmenter.bank_.features, other.bank_.features)
    every = InContextSegmenter(max_patches=10_000, random_state=0).fit(maps, masks)
    whole = InContextSegmenter().fit(maps, masks)
    np.testing.assert_array_equal(every.bank_.features, whole.bank_.features)
    few = InContextSegmenter(n_neighbors=1, max_patches=3, random_state=0)
    assert len(few.fit(maps, masks).bank_) == 3


def test_rare_classes_are_kept_more_often():
    maps = np.random.default_rng(0).normal(size=(1, 10, 10, 4)).astype(np.float32)
    masks = np.zeros((1, 10, 10), int)
    masks[0, 0, :5] = 1
    kept = [
        InContextSegmenter(n_neighbors=1, max_patches=20, random_state=seed)
        .fit(maps, masks)
        .bank_.labels.toarray()[:, 1]
        .sum()
        for seed in range(20)
    ]
    assert np.mean(kept) > 4  # of 5; a uniform sample would keep 1


def test_partial_fit_without_a_bound_is_fit():
    maps, masks = data(n=6)
    masks[4:][masks[4:] == 0] = 8  # a class that comes late
    whole = InContextSegmenter().fit(maps, masks)
    parts = InContextSegmenter()
    for i in (0, 2, 4):
        parts.partial_fit(maps[i : i + 2], masks[i : i + 2])
    assert parts.n_images_ == 6
    assert parts.classes_.tolist() == whole.classes_.tolist() == [0, 1, 2, 3, 8]
    np.testing.assert_array_equal(parts.bank_.features, whole.bank_.features)
    np.testing.assert_array_equal(parts.bank_.images, whole.bank_.images)
    np.testing.assert_array_equal(
        parts.bank_.labels.toarray(), whole.bank_.labels.toarray()
    )
    np.testing.assert_array_equal(parts.predict(maps), whole.predict(maps))


def test_streams_keep_a_uniform_sample():
    maps, masks = data(n=40, h=4, w=5)
    masks[masks == 255] = 0
    counts = np.zeros(40)
    for seed in range(30):
        segmenter = InContextSegmenter(
            n_neighbors=1, max_patches=100, random_state=seed
        )
        segmenter.fit(maps[:10], masks[:10])
        for i in range(10, 40, 6):
            segmenter.partial_fit(maps[i : i + 6], masks[i : i + 6])
            assert len(segmenter.bank_) == 100
        counts += np.bincount(segmenter.bank_.images, minlength=40)
    # 100 of 800 rows 30 times: 75 an image, standard deviation about 8.
    assert np.abs(counts - 75).max() < 5 * 8
    assert abs(counts[:10].mean() - 75) < 3 * 8 / np.sqrt(10)


def test_partial_fit_keeps_the_mean():
    maps, masks = data(n=4)
    segmenter = InContextSegmenter(preprocessing="l2-center").fit(maps[:2], masks[:2])
    mean = segmenter.mean_.copy()
    segmenter.partial_fit(maps[2:], masks[2:])
    np.testing.assert_array_equal(segmenter.mean_, mean)
    np.testing.assert_allclose(np.linalg.norm(segmenter.bank_.features, axis=1), 1)


def test_n_neighbors_is_clipped():
    maps, masks = data(n=1, h=2, w=2)
    with pytest.warns(UserWarning, match="all 4 rows vote"):
        segmenter = InContextSegmenter().fit(maps, masks)
    assert segmenter.kneighbors(maps)[1].shape == (1, 2, 2, 4)


def test_pickles_and_clones():
    maps, masks = data()
    segmenter = InContextSegmenter(max_patches=60, random_state=0).fit(maps, masks)
    expected = segmenter.predict(maps)
    again = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(again.predict(maps), expected)
    np.testing.assert_array_equal(
        clone(segmenter).fit(maps, masks).predict(maps), expected
    )


def test_an_own_engine():
    from sklearn.neighbors import NearestNeighbors

    maps, masks = data()
    plain = InContextSegmenter().fit(maps, masks)
    own = InContextSegmenter(algorithm=NearestNeighbors()).fit(maps, masks)
    np.testing.assert_array_equal(plain.predict(maps), own.predict(maps))


@pytest.mark.parametrize("algorithm", ["hnsw", "ivf"])
def test_approximate_engines_find_most(algorithm):
    pytest.importorskip("faiss")
    maps, masks = data(n=40, h=8, w=8)
    exact = InContextSegmenter(n_neighbors=10).fit(maps, masks)
    found = InContextSegmenter(n_neighbors=10, algorithm=algorithm).fit(maps, masks)
    assert exact.recall() == 1 and found.recall() > 0.9
    ids, near = (s.kneighbors(maps[:4], return_distance=False) for s in (exact, found))
    ids, near = ids.reshape(-1, 10), near.reshape(-1, 10)
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(ids, near)]
    assert np.mean(shared) > 0.9


def test_a_failed_fit_changes_nothing():
    maps, masks = data()
    segmenter = InContextSegmenter().fit(maps, masks)
    expected = segmenter.predict(maps)
    with pytest.raises(ValueError, match="no part|channels|mask"):
        segmenter.partial_fit(maps[:, :, :, :3], masks)
    np.testing.assert_array_equal(segmenter.predict(maps), expected)
    assert segmenter.n_images_ == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: (m, t[:3]), "4 images and 3 masks"),
        (lambda m, t: (m[:0], t[:0]), "empty"),
        (lambda m, t: (m[0][:4], t), "n_channels"),
        (lambda m, t: (m * np.nan, t), "NaN"),
        (lambda m, t: (m, np.full_like(t, 255)), "No position has a label"),
        (lambda m, t: (m, t.astype(float)), "integers"),
        (lambda m, t: (m, t.astype(int) - 1), "contains -1"),
    ],
)
def test_what_cannot_be_fitted(change, message):
    with pytest.raises(ValueError, match=message):
        InContextSegmenter().fit(*change(*data()))


@pytest.mark.parametrize(
    "params",
    [
        {"n_neighbors": 0},
        {"tau": 0.0},
        {"max_patches": 0},
        {"preprocessing": "center-l2"},
        {"algorithm": "precomputed"},
        {"embedder": "vit"},
        {"n_augmentations": 2},
    ],
)
def test_parameters_that_will_not_do(params):
    name = next(iter(params))
    with pytest.raises(ValueError, match=name):
        InContextSegmenter(**params).fit(*data())


def test_before_fit():
    with pytest.raises(ValueError, match="not fitted"):
        InContextSegmenter().predict(data()[0])
    assert not hasattr(InContextSegmenter(), "bank_")


def test_memory_does_not_grow_with_what_is_scored():
    maps, masks = data(n=2, h=8, w=8, tile=16)
    segmenter = InContextSegmenter().fit(maps, masks)
    peaks = []
    for n in (2, 40):
        many = [maps[i % 2] for i in range(n)], [masks[i % 2] for i in range(n)]
        segmenter.score(*many)
        tracemalloc.start()
        segmenter.score(*many)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_neighbors_of_predictions():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    masks = rng.integers(0, 3, (3, 8, 10))
    segmenter = InContextSegmenter(n_neighbors=7).fit(maps[:2], masks[:2])
    for images in (maps[2:], [maps[2], maps[1][:2]]):
        labels, distances, ids = segmenter.predict(images, return_neighbors=True)
        expected = *segmenter.kneighbors(images), segmenter.predict(images)
        kind = np.ndarray if isinstance(images, np.ndarray) else list
        for each in (labels, distances, ids, *expected):
            assert type(each) is kind
        for one, other in zip(
            (*distances, *ids, *labels), (a for e in expected for a in e)
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("algorithm", ["auto", "torch"])
def test_what_was_fitted_for_a_card_is_loaded_without(algorithm, monkeypatch):
    import torch

    maps, masks = data()
    plain = InContextSegmenter(n_neighbors=5, algorithm="brute").fit(maps, masks)
    device = "cuda" if algorithm == "auto" else "cpu"
    with monkeypatch.context() as patched:
        patched.setattr(torch.cuda, "device_count", lambda: 1)
        fitted = InContextSegmenter(n_neighbors=5, algorithm=algorithm, device=device)
        dump = pickle.dumps(fitted.fit(maps, masks).set_params(device="cuda"))
    loaded = pickle.loads(dump)
    for _ in range(2):
        found, expected = loaded.predict_proba(maps), plain.predict_proba(maps)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        loaded.partial_fit(maps[::-1], masks[::-1])
        plain.partial_fit(maps[::-1], masks[::-1])
    with pytest.raises(ValueError, match="device='cuda:99' is not available"):
        clone(loaded).set_params(device="cuda:99").fit(maps, masks)
