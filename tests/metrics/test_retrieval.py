"""Retrieval scores against loops that follow the definition step by step."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from skknn.metrics import (
    average_precision_at_ranks,
    mean_average_precision,
    retrieval_scores,
    revisited_retrieval_scores,
)


def scores_by_loops(ranking, positives, junk, at):
    """Walk down a ranking, skip junk, add a trapezoid for every positive."""
    rank = found = 0
    area, ranks = 0.0, []
    for row in ranking:
        if row in junk:
            continue
        if row in positives:
            above = 1.0 if rank == 0 else found / rank
            found += 1
            area += (above + found / (rank + 1)) / 2 / len(positives)
            ranks.append(rank + 1)
        rank += 1
    cut = [min(k, max(ranks)) for k in at]
    return area, [sum(r <= k for r in ranks) / k for k in cut]


def test_golden_case():
    scores = retrieval_scores([[3, 0, 4, 1, 2, 5]], [[0, 2]], [[3]])
    assert scores.mean_average_precision == pytest.approx(0.708333, abs=5e-7)
    np.testing.assert_array_equal(scores.mean_precision, [1.0, 0.5, 0.5])
    truth, score = [1, 0, 1, 0, 0], [5, 2, 1, 3, 0]
    assert average_precision_score(truth, score) == pytest.approx(0.75, rel=1e-14)


def test_equals_plain_loops():
    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(12, 40))
    groups = [rng.permutation(40) for _ in range(12)]
    positives = [g[: rng.integers(1, 10)] for g in groups]
    junk = [g[20 : 20 + rng.integers(0, 12)] for g in groups]
    found = retrieval_scores(similarity, positives, junk, at=(1, 3, 10))
    for q in range(12):
        ranking = sorted(range(40), key=lambda i, q=q: -similarity[q, i])
        area, precision = scores_by_loops(ranking, positives[q], junk[q], (1, 3, 10))
        assert found.average_precision[q] == pytest.approx(area, rel=1e-13)
        np.testing.assert_allclose(found.precision[q], precision, rtol=1e-13)
    assert found.mean_average_precision == pytest.approx(
        np.mean(found.average_precision), rel=1e-13
    )


def test_similarity_and_its_ranking_agree():
    rng = np.random.default_rng(1)
    similarity = rng.normal(size=(3, 20)).round(1)  # with ties
    ranking = np.argsort(-similarity, axis=1, kind="stable")
    positives = [[0, 5], [7], [1, 2, 3]]
    one = mean_average_precision(similarity, positives)
    assert one == mean_average_precision(ranking, positives)
    whole = (10 * similarity).round().astype(int)
    assert one == mean_average_precision(whole, positives, kind="similarity")


def test_permuting_the_database_does_not_matter():
    rng = np.random.default_rng(2)
    similarity, order = rng.normal(size=(5, 30)), rng.permutation(30)
    positives = [rng.choice(30, 4, replace=False) for _ in range(5)]
    place = np.argsort(order)
    moved = [place[p] for p in positives]
    one = mean_average_precision(similarity, positives)
    assert one == mean_average_precision(similarity[:, order], moved)


def test_junk_anywhere_leaves_the_score_of_the_list_without_it():
    plain = retrieval_scores([[4, 0, 2, 1]], [[0, 1]])
    for where in range(5):
        ranking = [4, 0, 2, 1]
        ranking.insert(where, 9)
        found = retrieval_scores([ranking], [[0, 1]], [[9]])
        assert found.mean_average_precision == plain.mean_average_precision
        np.testing.assert_array_equal(found.precision, plain.precision)


def test_queries_without_positives_are_skipped():
    scores = retrieval_scores([[0, 1], [1, 0]], [[0], []])
    assert scores.mean_average_precision == 1.0
    assert np.isnan(scores.average_precision[1])
    assert np.isnan(scores.precision[1]).all()
    assert np.isnan(mean_average_precision([[0, 1]], [[]]))


def test_what_was_not_found_counts():
    assert average_precision_at_ranks([0], 2) == 0.5
    assert mean_average_precision([[0, 1]], [[0, 7]]) == 0.5
    assert retrieval_scores([[1]], [[0]]).mean_precision.tolist() == [0, 0, 0]


def test_setups_by_their_definition():
    rng = np.random.default_rng(4)
    similarity = rng.normal(size=(6, 50))
    truth = []
    for _ in range(6):
        easy, hard, junk, _ = np.split(rng.permutation(50), [5, 9, 15])
        truth.append({"easy": easy, "hard": hard, "junk": junk, "bbx": [0, 0, 1, 1]})
    truth[2]["easy"] = []
    found = revisited_retrieval_scores(similarity, truth)
    expected = {
        "easy": [
            scores_of(s, t["easy"], t["junk"], t["hard"])
            for s, t in zip(similarity, truth)
        ],
        "medium": [
            scores_of(s, [*t["easy"], *t["hard"]], t["junk"], [])
            for s, t in zip(similarity, truth)
        ],
        "hard": [
            scores_of(s, t["hard"], t["junk"], t["easy"])
            for s, t in zip(similarity, truth)
        ],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].average_precision, values, rtol=1e-13)
        mean = np.nanmean(values)
        assert found[name].mean_average_precision == pytest.approx(mean, rel=1e-13)


def scores_of(similarity, positives, junk, more_junk):
    if len(positives) == 0:
        return np.nan
    unread = {*junk, *more_junk}
    return scores_by_loops(np.argsort(-similarity), set(positives), unread, (1,))[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.1, 0.2]], [[0], [1]]), "2 entries for 1 queries"),
        (([[0.1, 0.2]], [[2]]), r"positives\[0\] contains 2"),
        (([[0.1, 0.2]], [[-1]]), "contains -1"),
        (([[0.1, 0.2]], [[0]], [[0]]), "both in positives and in junk"),
        (([[0.1, np.nan]], [[0]]), "NaN"),
        (([[0, 0]], [[0]]), "different row numbers"),
        (([0.1, 0.2], [[0], [1]]), "single query"),
    ],
)
def test_what_cannot_be_scored(arguments, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(*arguments)


def test_unknown_setups_and_missing_lists():
    with pytest.raises(ValueError, match="'harder' is none of"):
        revisited_retrieval_scores([[0]], [], ["harder"])
    with pytest.raises(ValueError, match=r"ground_truth\[0\] has no 'junk'"):
        revisited_retrieval_scores([[0]], [{"easy": [], "hard": []}])
    with pytest.raises(ValueError, match="n_positives=1"):
        average_precision_at_ranks([0, 2], 1)
    with pytest.raises(ValueError, match="different integers"):
        average_precision_at_ranks([1, 1])


@pytest.mark.parametrize(
    "positives", [[np.array([False, False, True])], [[0.7]], [["0"]]]
)
def test_positives_are_row_numbers(positives):
    """A mask read as numbers 0 and 1 would score other rows."""
    with pytest.raises(TypeError, match=r"positives\[0\].*np.flatnonzero"):
        retrieval_scores([[0.9, 0.5, 0.1]], positives)


def test_precision_is_at_whole_ranks():
    with pytest.raises(ValueError, match=r"at=\(1.5,\)"):
        retrieval_scores([[0.9, 0.5, 0.1]], [[0]], at=(1.5,))


def test_data_frames_are_read_by_row():
    frame = pd.DataFrame([[0.1, 0.9], [0.8, 0.2]])
    scores = retrieval_scores(frame, [[1], [1]])
    assert scores.average_precision.tolist() == [1, 0.25]


@pytest.mark.parametrize("row", [["a", "b"], [0.5, 1j], np.array([0.5, 1], object)])
def test_similarities_are_real_numbers(row):
    with pytest.raises(TypeError, match="similarity: row 0 has dtype"):
        retrieval_scores([row], [[1]])


def test_one_list_of_positives_a_query():
    with pytest.raises(TypeError, match=r"positives\[0\]=1 must be a list"):
        retrieval_scores([[0.9, 0.5, 0.1]], [1])
