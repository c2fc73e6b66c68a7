"""BlockWeights: the search against plain loops, and what comes out."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_blobs

from skknn import BlockWeights, SoftKNNClassifier

WEIGHTS = (0, 0.5, 1, 2)
SLICES = {"a": slice(0, 3), "b": slice(3, 8), "embedding": slice(8, 12)}


def example(n=48, seed=0, dtype=np.float64):
    """Three blocks: one good, one of noise, one that is weak; three classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    good = rng.standard_normal((3, 3))[y] + 0.6 * rng.standard_normal((n, 3))
    weak = rng.standard_normal((3, 4))[y] + 1.5 * rng.standard_normal((n, 4))
    X = np.hstack([good + 5, rng.standard_normal((n, 5)), weak])
    return X.astype(dtype), y


class PlainSearch:
    """The search, row by row in float64."""

    def __init__(self, X, y, slices, ks, center=True, groups=None, scoring="log"):
        self.y, self.ks, self.scoring = y, ks, scoring
        self.n, self.groups = len(y), groups
        self.tables = []
        for part in slices.values():
            block = np.array(X[:, part], dtype=np.float64)
            if center:
                block = block - block.mean(axis=0)
            block = np.array([row / math.sqrt(sum(row * row)) for row in block])
            self.tables.append([[sum((a - b) ** 2) for b in block] for a in block])

    def losses(self, weights):
        lists, total = [], sum(weights)
        for i in range(self.n):
            found = []
            for j in range(self.n):
                if j == i or (self.groups is not None and self._together(i, j)):
                    continue
                d2 = sum(w * t[i][j] for w, t in zip(weights, self.tables))
                found.append((d2 / total, j))
            lists.append(sorted(found)[: max(self.ks)])
        scale = np.mean([found[-1][0] for found in lists])
        best = None
        for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, math.inf):
            for k in self.ks:
                losses = [
                    self._loss(i, lists[i][:k], share * scale) for i in range(self.n)
                ]
                if best is None or np.mean(losses) < np.mean(best[0]):
                    best = losses, k, share * scale
        return best

    def search(self, first):
        now = [0.0] * len(self.tables)
        now[first] = 1.0
        path = [(tuple(now), self.losses(now))]
        while True:
            now, (before, _, _) = path[-1]
            tried = []
            for block in range(len(now)):
                for weight in WEIGHTS:
                    new = (*now[:block], float(weight), *now[block + 1 :])
                    if new != now and any(new):
                        tried.append((new, self.losses(new)))
            best = min(tried, key=lambda one: np.mean(one[1][0]))
            fall = np.subtract(before, best[1][0])
            if fall.mean() <= np.std(fall, ddof=1) / math.sqrt(self.n):
                return path
            path.append(best)

    def _loss(self, i, found, tau):
        votes = {}
        for d2, j in found:
            weight = math.exp(-(d2 - found[0][0]) / tau)
            votes[self.y[j]] = votes.get(self.y[j], 0.0) + weight
        if self.scoring == "accuracy":
            return float(max(sorted(votes), key=votes.get) != self.y[i])
        p = votes.get(self.y[i], 0.0) / sum(votes.values())
        prior = np.mean(self.y == self.y[i])
        return -math.log((len(found) * p + prior) / (len(found) + 1))

    def _together(self, i, j):
        return self.groups[i] == self.groups[j]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_search_by_plain_loops(center, scoring, dtype):
    X, y = example(dtype=dtype)
    plain = PlainSearch(X, y, SLICES, (2, 5), center, scoring=scoring)
    expected = plain.search(first=2)
    found = BlockWeights(
        WEIGHTS, blocks=SLICES, center=center, n_neighbors=[5, 2], scoring=scoring
    ).fit(X, y)
    assert len(found.path_) == len(expected) > 1
    for step, (weights, (losses, k, tau)) in zip(found.path_, expected):
        assert tuple(step["weights"].values()) == weights
        assert step["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert step["n_neighbors"] == k
        assert step["tau"] == pytest.approx(tau, rel=1e-5)
    assert list(found.weights_.values()) == list(expected[-1][0])
    assert found.weights_ == found.path_[-1]["weights"]


def test_a_step_falls_by_more_than_its_standard_error():
    X, y = example()
    found = BlockWeights(blocks=SLICES).fit(X, y)
    assert found.path_[0]["standard_error"] == 0
    for before, after in zip(found.path_[:-1], found.path_[1:]):
        assert before["loss"] - after["loss"] > after["standard_error"] > 0


def test_groups_are_no_neighbours_of_each_other():
    # Bursts of four: rows of one burst share what is in block "b".
    X, y = example(60)
    groups = np.repeat(np.arange(15), 4)
    y = np.repeat(np.arange(15) % 3, 4)
    rng = np.random.default_rng(1)
    good = rng.standard_normal((3, 3))[y] + 0.6 * rng.standard_normal((60, 3))
    bursts = rng.standard_normal((15, 5))[groups] + 0.1 * rng.standard_normal((60, 5))
    X = np.hstack([good, bursts, X[:, 8:]])
    alone = BlockWeights(WEIGHTS, blocks=SLICES, n_neighbors=[3]).fit(X, y)
    assert alone.weights_["b"] > 0
    found = BlockWeights(WEIGHTS, blocks=SLICES, n_neighbors=[3]).fit(X, y, groups)
    assert found.weights_["b"] == 0 and found.weights_["a"] > 0
    plain = PlainSearch(X, y, SLICES, (3,), groups=groups)
    for step in found.path_:
        losses, _, tau = plain.losses(tuple(step["weights"].values()))
        assert step["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert step["tau"] == pytest.approx(tau, rel=1e-5)
    # Rows of a burst rise and fall together: the error is that of 15 sums.
    first, last = (
        plain.losses(tuple(found.path_[i]["weights"].values()))[0] for i in (0, 1)
    )
    fall = np.subtract(first, last) - np.mean(np.subtract(first, last))
    sums = [fall[groups == group].sum() for group in range(15)]
    expected = math.sqrt(sum(s * s for s in sums) / 59 / 60)
    assert found.path_[1]["standard_error"] == pytest.approx(expected, rel=1e-4)
    names = np.array([f"burst {group}" for group in groups])
    assert (
        BlockWeights(WEIGHTS, blocks=SLICES, n_neighbors=[3])
        .fit(X, y, groups=names)
        .path_
        == found.path_
    )


def test_many_rows_are_compared_with_candidates():
    """More than 2,000 rows: the loss of each step against all distances."""
    rng = np.random.default_rng(0)
    n = 2_300
    y = rng.integers(0, 4, n)
    parts = [rng.standard_normal((4, d))[y] + s * rng.standard_normal((n, d))
             for d, s in ((6, 2.0), (5, 1.5), (4, 1.0))]  # fmt: skip
    groups = np.arange(n) // 2
    X = np.hstack(parts)
    found = BlockWeights(blocks=[6, 5, 4], n_neighbors=[10]).fit(X, y, groups)
    assert len(found.path_) > 1
    prior = np.bincount(y) / n
    for step in found.path_:
        total = sum(step["weights"].values())
        d2 = np.zeros((n, n))
        for weight, part in zip(step["weights"].values(), parts):
            block = part - part.mean(axis=0)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            d2 += weight / total * (2 - 2 * block @ block.T)
        d2[groups[:, None] == groups] = np.inf
        ids = np.argsort(d2, axis=1)[:, :10]
        d2 = np.take_along_axis(d2, ids, axis=1)
        votes = np.exp(-(d2 - d2[:, :1]) / step["tau"])
        own = (votes * (y[ids] == y[:, None])).sum(axis=1) / votes.sum(axis=1)
        loss = -np.log((10 * own + prior[y]) / 11).mean()
        assert step["loss"] == pytest.approx(loss, rel=1e-3)


def test_memory_does_not_grow_with_the_square_of_rows():
    import tracemalloc

    X, y = make_blobs(12_000, 8, centers=5, cluster_std=6, random_state=0)
    search = BlockWeights(blocks=2, n_neighbors=5)
    tracemalloc.start()
    try:
        search.fit(X.astype(np.float32), y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All pairs of one block would be 576 MB.
    assert peak < 200e6


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_rows_of_the_result(dtype):
    X, y = example()
    X = np.round(10 * X).astype(dtype)
    found = BlockWeights(blocks=SLICES).fit(X[:40], y[:40])
    rows = found.transform(X)
    assert rows.dtype == np.float32
    kept = {name: w for name, w in found.weights_.items() if w > 0}
    assert list(found.feature_slices_) == list(kept) and 0 < len(kept) < 3
    at, total = 0, sum(kept.values())
    for name, weight in kept.items():
        block = X[:, SLICES[name]].astype(np.float64)
        block = block - X[:40, SLICES[name]].astype(np.float64).mean(axis=0)
        for i in range(48):
            row = block[i] / math.sqrt(sum(block[i] ** 2))
            np.testing.assert_allclose(
                rows[i, at : at + len(row)], row * math.sqrt(weight / total), atol=1e-6
            )
        assert found.feature_slices_[name] == slice(at, at + block.shape[1])
        at += block.shape[1]
    assert rows.shape == (48, at)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.transform(X[7:8]), rows[7:8])
    names = found.get_feature_names_out()
    assert len(names) == at and names[0] == f"{next(iter(kept))}0"


def test_votes_on_the_result_are_those_that_were_compared():
    X, y = example()
    found = BlockWeights(blocks=SLICES).fit(X, y)
    knn = SoftKNNClassifier(found.n_neighbors_, tau=found.tau_, preprocessing=None).fit(
        found.transform(X), y
    )
    k, prior = found.n_neighbors_, np.bincount(y) / len(y)
    own = knn.predict_proba(None)[np.arange(len(y)), y]
    loss = -np.log((k * own + prior[y]) / (k + 1)).mean()
    assert found.path_[-1]["loss"] == pytest.approx(loss, rel=1e-5)


def test_pca_at_the_end():
    X, y = example()
    plain = BlockWeights(blocks=SLICES).fit(X, y)
    found = BlockWeights(blocks=SLICES, n_components=2).fit(X, y)
    assert found.weights_ == plain.weights_
    rows = plain.transform(X).astype(np.float64)
    rows -= rows.mean(axis=0)
    u, s, _ = np.linalg.svd(rows, full_matrices=False)
    np.testing.assert_allclose(
        np.abs(found.transform(X)), np.abs(u[:, :2] * s[:2]), atol=1e-5
    )
    assert list(found.get_feature_names_out()) == ["blockweights0", "blockweights1"]


def test_no_weight_comes_in_without_evidence():
    """Blocks of noise beside a good one: the embedding stays alone."""
    X, y = load_iris(return_X_y=True)
    kept = []
    for seed in range(10):
        noise = np.random.default_rng(seed).standard_normal((150, 20))
        found = BlockWeights(blocks=[20, 4]).fit(np.hstack([noise, X]), y)
        kept.append(found.weights_["block0"] / found.weights_["block1"])
    assert max(kept) <= 0.25 and sum(ratio > 0 for ratio in kept) <= 3


def test_duplicates_and_rows_at_the_mean():
    X = np.repeat([[0.0, 0, 1, 1], [2, 2, 1, 1], [1, 1, 1, 1]], 4, axis=0)
    y = np.repeat([0, 1, 0], 4)
    found = BlockWeights(blocks=2).fit(X, y)
    rows = found.transform(X)
    assert np.isfinite(rows).all() and (rows[8:] == 0).all()
    assert np.isfinite([step["loss"] for step in found.path_]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_columns_are_no_features(dtype):
    """Their mean may be rounded, and what is left must not be brought to length 1."""
    X, y = example()
    constant = np.full((48, 4), 0.1) * [1, 3, 7, 11]
    X = np.hstack([X[:, :3], constant]).astype(dtype)
    found = BlockWeights((1,), blocks=[3, 4]).fit(X, y)
    assert found.weights_ == {"block0": 1.0, "block1": 1.0}
    rows = found.transform(X)
    assert (rows[:, 3:] == 0).all() and (rows[:, :3] != 0).all()


def test_large_numbers_do_not_overflow():
    X, y = example()
    small = BlockWeights(blocks=SLICES).fit(X, y)
    large = BlockWeights(blocks=SLICES).fit(X * 1e200, y)
    assert small.weights_ == large.weights_
    np.testing.assert_allclose(
        small.transform(X), large.transform(X * 1e200), atol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weights": (-1, 1)}, r"weights=\(-1, 1\) must be finite numbers from 0"),
        ({"weights": ()}, "weights="),
        ({"weights": (0, math.inf)}, "weights="),
        ({"n_neighbors": 0}, "n_neighbors"),
        ({"n_neighbors": [0, 3]}, r"n_neighbors=\[0, 3\] must be"),
        ({"n_neighbors": [1.5]}, r"n_neighbors=\[1.5\] must be"),
        ({"tau": 0}, "tau"),
        ({"tau": math.nan}, "tau"),
        ({"tau": [1, math.nan]}, "tau"),
        ({"tau": [0.1, -1]}, r"tau=\[0.1, -1\] must be"),
        ({"scoring": "f1"}, "scoring"),
        ({"blocks": 5}, "blocks=5: X has 12 columns"),
        ({"blocks": [3, 3]}, r"blocks=\[3, 3\] are no widths"),
        ({"blocks": {}}, "names no block"),
        ({"blocks": {"a": slice(0, 99)}}, "'a' is slice.*names no columns"),
        ({"blocks": {"a": [0, 12]}}, "'a' is .*names no columns"),
        ({"blocks": {"a": slice(0, 3), "b": [2, 3]}}, "share columns"),
    ],
    ids=str,
)
def test_bad_parameters(params, message):
    X, y = example()
    with pytest.raises(ValueError, match=message):
        BlockWeights(**{"blocks": SLICES} | params).fit(X, y)


def test_nobody_to_compare_with():
    X, y = example()
    with pytest.raises(ValueError, match="rows in more than one group"):
        BlockWeights(blocks=SLICES).fit(X, y, groups=np.zeros(48))
    with pytest.raises(ValueError, match="groups has 47 entries for 48 rows"):
        BlockWeights(blocks=SLICES).fit(X, y, groups=np.zeros(47))
    with pytest.raises(ValueError, match="Unknown label type"):
        BlockWeights(blocks=SLICES).fit(X, np.linspace(0, 1, 48))
    few = BlockWeights(blocks=SLICES).fit(X[:3], y[:3])
    assert few.n_neighbors_ <= 2


@pytest.mark.parametrize(
    "names",
    [
        ("layer1", "layer11"),
        ("layer1", "layer1_"),
        ("layer1_1", "layer1", "layer11"),
        ("a", "a_", "a__", "a1", "a1_"),
        ("", "1", "11"),
    ],
    ids=str,
)
def test_names_of_columns_are_unique(names):
    X = np.random.default_rng(0).standard_normal((20, 12 * len(names)))
    blocks = {name: slice(12 * i, 12 * i + 12) for i, name in enumerate(names)}
    found = BlockWeights((1,), blocks=blocks).fit(X, np.arange(20) % 2)
    # Whatever was found, each block by itself has the names that it has beside others.
    every = []
    for name in names:
        alone = BlockWeights(blocks={name: blocks[name]}).fit(X, np.arange(20) % 2)
        every += alone.get_feature_names_out().tolist()
    assert len(set(every)) == len(every) == 12 * len(names)
    assert set(found.get_feature_names_out()) <= set(every)


def test_numbered_blocks_find_themselves_again():
    X, y = load_iris(return_X_y=True)
    first = BlockWeights((1, 2), blocks={"layer1": [0, 1], "layer11": [2, 3]})
    rows = first.set_output(transform="pandas").fit(X, y).transform(X)
    assert list(BlockWeights().fit(rows, y).weights_) == list(first.feature_slices_)


def test_whatever_auto_chooses_can_be_given():
    # Classes drawn by lot within two halves: the nearest row knows no more than others.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4)) + np.repeat([[0], [9]], 30, axis=0)
    y = np.repeat([0, 1], 30) ^ (rng.random(60) < 0.3)
    auto = BlockWeights(blocks=2).fit(X, y)
    assert auto.tau_ == math.inf
    given = BlockWeights(blocks=2, tau=auto.tau_).fit(X, y)
    assert given.tau_ == math.inf
    listed = BlockWeights(blocks=2, tau=[math.inf]).fit(X, y)
    assert given.path_ == listed.path_


def test_tau_and_n_neighbors_as_given():
    X, y = example()
    found = BlockWeights(blocks=SLICES, n_neighbors=[4], tau=0.3).fit(X, y)
    assert (found.n_neighbors_, found.tau_) == (4, 0.3)
    found = BlockWeights(blocks=SLICES, n_neighbors=6, tau=[0.1, 0.5]).fit(X, y)
    assert found.n_neighbors_ <= 6 and found.tau_ in (0.1, 0.5)


def test_bad_values_are_named_with_their_place():
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    fitted = BlockWeights(blocks=2).fit(X, y)
    for value in (np.nan, np.inf):
        bad = X.copy()
        bad[[3, 7], 2] = value
        for call in (
            lambda bad=bad: fitted.fit(bad, y),
            lambda bad=bad: fitted.transform(bad),
        ):
            with pytest.raises(ValueError, match="row 3, column 2; rows with one: 2"):
                call()
    bad = X.copy()
    bad[5] = np.nan  # as on_error="nan" leaves it
    with pytest.raises(ValueError, match="every value of row 5 is NaN.*on_error='nan'"):
        fitted.transform(bad)
