"""Rows of one group are no neighbours of each other, whatever engine searches."""

import warnings

import numpy as np
import pytest
from engine_references import ENGINES, assert_same_order, clustered
from sklearn.neighbors import KNeighborsTransformer, NearestNeighbors

from skknn.datastore import Groups, NeighborIndex
from skknn.datastore._groups import leave_groups_out


def outside(rows, groups, k, metric="sqeuclidean"):
    """Distances and ids of the k nearest rows of other groups, by plain sorting."""
    rows = rows.astype(np.float64)
    distances, ids = np.empty((len(rows), k)), np.empty((len(rows), k), dtype=int)
    for i, row in enumerate(rows):
        d2 = ((rows - row) ** 2).sum(axis=1)
        d2 = np.sqrt(d2) if metric == "euclidean" else d2
        d2[(groups == groups[i]) | (np.arange(len(rows)) == i)] = np.inf
        ids[i] = np.argsort(d2, kind="stable")[:k]
        distances[i] = d2[ids[i]]
    return distances, ids


def bursts(n, sizes, seed=0, d=8):
    """Rows of groups that lie close together, in mixed order."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)[:n]
    rows = rng.normal(size=(len(sizes), d))[groups] + 0.01 * rng.normal(size=(n, d))
    order = rng.permutation(n)
    return rows[order].astype(np.float32), groups[order]


# Alone, as few as are found at once, as many as take longer lists, and a crowd that
# lies closer than anything else and outgrows all lists.
SIZES = {
    "small": [1] * 40 + [3] * 40 + [17] * 8,
    "large": [1] * 30 + [90, 90, 90],
    "crowd": [5] * 20 + [1300],
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    "sizes, rooted",
    [
        ("small", False),
        ("small", True),
        ("large", False),
        ("large", True),
        ("crowd", False),
    ],
)
def test_every_engine_equals_plain_sorting(name, sizes, rooted):
    X, groups = bursts(sum(SIZES[sizes]), SIZES[sizes])
    metric = "euclidean" if rooted else "sqeuclidean"
    want, want_ids = outside(X, groups, 6, metric)
    engine = ENGINES[name](X, rooted=rooted)
    found = leave_groups_out(engine, Groups.of(groups, X), 6, slice(None))
    np.testing.assert_allclose(found[0], want, rtol=1e-12)
    assert_same_order(found[1], want_ids, X, X)
    part = leave_groups_out(engine, Groups.of(groups, X), 6, slice(7, 60))
    np.testing.assert_array_equal(part[1], found[1][7:60])
    np.testing.assert_array_equal(part[0], found[0][7:60])


@pytest.mark.parametrize("algorithm", ["brute", "auto", NearestNeighbors()], ids=str)
def test_copies_of_a_row_vote_unless_they_are_in_its_group(algorithm):
    X = np.repeat(clustered(30, 5), 4, axis=0)
    groups = np.repeat(np.arange(60), 2)
    index = NeighborIndex(algorithm=algorithm).fit(X, groups)
    distances, ids = index.leave_one_out(2)
    # Of four copies two are in the group; equal distances stand by row number.
    own = np.arange(120)
    want = own // 4 * 4 + np.where(own % 4 < 2, 2, 0)
    np.testing.assert_array_equal(ids, np.column_stack([want, want + 1]))
    assert not distances.any()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 5, 34])
def test_all_rows_outside_can_be_asked_for(metric, k):
    X, groups = bursts(50, [16, 10, 10, 5, 9])
    X[[3, 20, 30]] = 0  # cosine 0 with every row
    index = NeighborIndex(metric=metric, preprocessing=None).fit(X, groups)
    assert index.n_others == 34
    distances, ids = index.leave_one_out(k)
    assert (groups[ids] != groups[:, None]).all()
    whole, every = NeighborIndex(metric=metric, preprocessing=None).fit(X), 49
    full, full_ids = whole.leave_one_out(every)
    for i in range(50):
        kept = groups[full_ids[i]] != groups[i]
        np.testing.assert_array_equal(ids[i], full_ids[i][kept][:k])
        np.testing.assert_array_equal(distances[i], full[i][kept][:k])


def test_rows_are_copied_for_crowds_alone_however_large_k_is(monkeypatch):
    X, groups = bursts(1400, [2] * 700, d=3)
    engine = ENGINES["brute"](X)

    def copies_rows(rows, n_same=0):
        raise AssertionError("rows are copied")

    monkeypatch.setattr(engine, "with_rows", copies_rows)
    found = leave_groups_out(engine, Groups.of(groups, X), 1100, slice(0, 30))
    want, want_ids = outside(X, groups, 1100)
    np.testing.assert_allclose(found[0], want[:30], rtol=1e-12)
    assert_same_order(found[1], want_ids[:30], X[:30], X)


def test_rows_of_no_group_are_no_group():
    X, _ = bursts(1400, [2] * 700, d=3)
    fitted = NeighborIndex(preprocessing=None).fit(X[:300], np.arange(300) // 2)
    index = fitted.append(X[300:])  # none of them is in a group
    alone = np.r_[np.arange(300) // 2, np.arange(300, 1400)]
    want = NeighborIndex(preprocessing=None).fit(X, alone)
    for k in (5, 1100):
        for found, expected in zip(index.leave_one_out(k), want.leave_one_out(k)):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        index.leave_one_out(1100)[1], outside(X, alone, 1100)[1]
    )


def test_groups_of_one_row_each_change_no_bit():
    X = clustered(300, 12)
    want = NeighborIndex().fit(X).leave_one_out(9)
    found = NeighborIndex().fit(X, np.arange(300)[::-1]).leave_one_out(9)
    for a, b in zip(found, want):
        np.testing.assert_array_equal(a, b)


def test_queries_do_not_know_of_groups():
    X, groups = bursts(200, SIZES["small"])
    want = NeighborIndex().fit(X).kneighbors(X[:9], 7)
    found = NeighborIndex().fit(X, groups).kneighbors(X[:9], 7)
    for a, b in zip(found, want):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["hnsw", "ivf"])
def test_approximate_engines_keep_groups_apart(name):
    pytest.importorskip("faiss")
    X, groups = bursts(1500, [5] * 40 + [1300])
    index = NeighborIndex(algorithm=name).fit(X, groups)
    distances, ids = index.leave_one_out(4)
    assert (groups[ids] != groups[:, None]).all()
    want, _ = NeighborIndex().fit(X, groups).leave_one_out(4)
    assert (distances <= want[:, -1:]).mean() > 0.98


def test_graphs_leave_out_groups_if_they_reach_beyond_them():
    X, groups = bursts(80, [4] * 20)
    graph = KNeighborsTransformer(n_neighbors=8, mode="distance").fit_transform(X)
    index = NeighborIndex(algorithm="precomputed").fit(graph, groups)
    want = outside(X, groups, 5)[1]
    np.testing.assert_array_equal(index.leave_one_out(5)[1], want)
    np.testing.assert_array_equal(index.leave_one_out(5, slice(9, 30))[1], want[9:30])
    with pytest.raises(
        ValueError, match=r"row 9 .* 5 neighbours outside its group.*n_neighbors=9"
    ):
        index.leave_one_out(6, slice(9, 30))


@pytest.mark.parametrize(
    "groups, message",
    [
        ([1, 2, None, 1, 2, 3], r"groups has no label in row 2 \(groups\[2\]"),
        (np.array([1, 2, np.nan, 1, 2, 3]), "groups has no label in row 2"),
        (
            np.array(
                ["2026-01-01", "NaT", "NaT", "2026-01-02", "NaT", "2026-01-03"]
            ).astype("datetime64[D]"),
            "groups has no label in row 1",
        ),
        (np.arange(5), "groups has 5 entries for 6 rows"),
        (np.zeros((6, 2)), "groups must have one"),
        ([("a", 1)] * 6, "groups must have one .* joining"),
        ("one", "groups must have one"),
    ],
)
def test_groups_that_are_none(groups, message):
    with pytest.raises(ValueError, match=message):
        NeighborIndex().fit(np.eye(6), groups)


def test_names_of_any_kind():
    X, numbers = bursts(60, [3] * 20)
    want = NeighborIndex().fit(X, numbers).leave_one_out(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for names in (list(map(str, numbers)), numbers.astype(object), numbers / 2):
            found = NeighborIndex().fit(X, names).leave_one_out(5)
            np.testing.assert_array_equal(found[1], want[1])
