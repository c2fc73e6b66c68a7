"""LabelAudit: against plain loops, planted mistakes, copies and strangers."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import SoftKNNClassifier
from skknn.inspection import LabelAudit

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5)


@parametrize_with_checks([LabelAudit(5)])
@pytest.mark.filterwarnings("ignore:n_neighbors=:UserWarning")
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def planted(digits):
    """Digits with 40 wrong labels: rows, labels, right labels."""
    X, y = digits[0][:800], digits[1][:800]
    random = np.random.default_rng(0)
    wrong = random.choice(len(y), 40, replace=False)
    labels = y.copy()
    labels[wrong] = (labels[wrong] + random.integers(1, 10, 40)) % 10
    return X, labels, y


@pytest.fixture(scope="module")
def audit(planted):
    X, labels, _ = planted
    return LabelAudit().fit(X, labels)


def test_planted_mistakes_are_found_and_mended(planted, audit):
    X, labels, right = planted
    bad = labels != right
    # The usual way: probabilities of a classifier fitted to other folds.
    proba = cross_val_predict(
        LogisticRegression(max_iter=1000), X, labels, method="predict_proba"
    )
    usual = average_precision_score(bad, -proba[np.arange(len(X)), labels])
    assert average_precision_score(bad, -audit.label_quality_) > max(usual, 0.9)
    found = audit.suspect_labels_
    rows = found["row"].to_numpy()
    assert bad[rows].sum() >= 38 and bad[rows].mean() > 0.6
    np.testing.assert_array_equal(found["label"], labels[rows])
    np.testing.assert_array_equal(found["suggested"], audit.suggested_labels_[rows])
    first = rows[:30]
    assert (audit.suggested_labels_[first] == right[first]).mean() > 0.95
    probabilities = found["label_probability"].to_numpy()
    np.testing.assert_array_equal(probabilities, audit.label_quality_[rows])
    assert (np.diff(probabilities) >= 0).all()
    assert (found["suggested_probability"] > 10 * probabilities).all()


def test_both_sides_are_pooled(planted):
    """The product of both, with what is added to each against zeros."""
    X, labels, _ = planted
    X, labels = X[:400], labels[:400]
    linear, votes, both = (
        LabelAudit(linear_share=share).fit(X, labels) for share in (1, 0, 0.6)
    )
    odds = {}
    for name, audit, floor in (("l", linear, 1e-4), ("v", votes, 1e-3)):
        table = audit.suspect_labels_.set_index("row")
        own = table["label_probability"] + floor
        odds[name] = (table["suggested_probability"] + floor) / own
    found = both.suspect_labels_.set_index("row")
    other = [pair.suggested_labels_ for pair in (linear, votes, both)]
    same = [
        row
        for row in found.index
        if row in odds["l"] and row in odds["v"] and len({o[row] for o in other}) == 1
    ]
    assert len(same) > 5
    for row in same:
        want = odds["l"][row] ** 0.6 * odds["v"][row] ** 0.4
        got = found.suggested_probability[row] / found.label_probability[row]
        assert got == pytest.approx(want)


def test_voters_are_the_nearest_rows(planted, audit):
    X, labels, _ = planted
    knn = SoftKNNClassifier(20, tau="scale").fit(X, labels)
    distances, ids = knn.kneighbors()
    shares = np.exp(-distances / knn.tau_)
    shares /= shares.sum(axis=1, keepdims=True)
    for line in audit.suspect_labels_.itertuples():
        assert line.nearest_rows == ids[line.row, :5].tolist()
        assert line.nearest_labels == labels[line.nearest_rows].tolist()
        np.testing.assert_allclose(line.nearest_shares, shares[line.row, :5])
    assert not {"file", "nearest_files"} & set(audit.suspect_labels_)


def test_votes_alone_are_those_of_the_classifier(planted):
    X, labels, _ = planted
    audit = LabelAudit(12, tau=0.3, linear_share=0).fit(X, labels)
    proba = SoftKNNClassifier(12, tau=0.3).fit(X, labels).predict_proba(None)
    rows = np.arange(len(X))
    np.testing.assert_allclose(audit.label_quality_, proba[rows, labels])
    proba[rows, labels] = -1
    np.testing.assert_array_equal(audit.suggested_labels_, proba.argmax(axis=1))


def left_out_ridge(X, y, apart):
    """Probabilities by ridge regressions fitted without each row and its group."""
    targets = np.eye(3)[y]
    scale = np.square(X - X.mean(axis=0)).sum() / len(X)
    rows, best = np.arange(len(X)), np.inf
    for penalty in PENALTIES:
        scores = np.empty((len(X), 3))
        for i in rows:
            kept = apart != apart[i]
            ridge = Ridge(penalty * scale).fit(X[kept], targets[kept])
            scores[i] = ridge.predict(X[[i]])[0]
        for temperature in TEMPERATURES:
            powers = np.exp(scores / temperature)
            proba = powers / powers.sum(axis=1, keepdims=True)
            loss = -np.log(np.maximum(proba[rows, y], 1e-3)).sum()
            if loss < best:
                best, found = loss, proba
    return found


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("shape", [(40, 6), (25, 40)], ids=["tall", "wide"])
def test_the_linear_side_equals_a_fit_for_each_row(grouped, shape):
    random = np.random.default_rng(3)
    y = random.integers(0, 3, shape[0])
    X = random.normal(size=shape) + y[:, None] * 0.7
    groups = random.integers(0, shape[0] // 2, shape[0]) if grouped else None
    apart = groups if grouped else np.arange(shape[0])
    linear, rows = left_out_ridge(X, y, apart), np.arange(len(X))
    setting = {"tau": 1.0, "preprocessing": None}
    audit = LabelAudit(4, linear_share=1, **setting).fit(X, y, groups=groups)
    np.testing.assert_allclose(
        audit.label_quality_, linear[rows, y], rtol=1e-8, atol=1e-12
    )
    # "auto" takes the share that agrees with most labels, the largest of equal ones.
    knn = SoftKNNClassifier(4, **setting).fit(X, y, groups=groups)
    votes = knn.predict_proba(None)
    right = {}
    for share in (1.0, 0.9, 0.75, 0.5, 0.25, 0.0):
        both = (linear + 1e-4) ** share * (votes + 1e-3) ** (1 - share)
        both = {0.0: votes, 1.0: linear}.get(share, both)
        right[share] = (both.argmax(axis=1) == y).sum()
    audit = LabelAudit(4, **setting).fit(X, y, groups=groups)
    assert audit.linear_share_ == max(right, key=right.get)


def test_many_rows_are_taken_in_blocks():
    """Blocks of rows, and of whole groups, change nothing but the last digits."""
    random = np.random.default_rng(0)
    n_samples = 5000
    y = random.integers(0, 2, n_samples)
    X = random.normal(size=(n_samples, 900)).astype(np.float32)
    X[:, 0] += 4 * y
    groups = np.arange(n_samples) // 2
    alone = LabelAudit(3, linear_share=1).fit(X, y)
    rows = np.arange(n_samples)
    apart = LabelAudit(3, linear_share=1).fit(X, y, groups=rows)
    np.testing.assert_allclose(alone.label_quality_, apart.label_quality_, rtol=1e-4)
    paired = LabelAudit(3, linear_share=1).fit(X, y, groups=groups)
    order = random.permutation(n_samples)
    again = LabelAudit(3, linear_share=1).fit(X[order], y[order], groups=groups[order])
    np.testing.assert_allclose(
        again.label_quality_, paired.label_quality_[order], rtol=1e-4
    )


def pairs_of(table):
    return {(line.row_a, line.row_b) for line in table.itertuples()}


def test_copies_are_pairs_above_the_threshold(digits):
    X, y = digits[0][:300], digits[1][:300].copy()
    X = np.vstack([X, X[[5, 9, 9]] + 0.01])
    y = np.append(y, [y[5], y[9], (y[9] + 1) % 10])
    parts = ["train"] * 300 + ["test"] * 3
    files = [f"{i}.png" for i in range(303)]
    audit = LabelAudit(duplicate_ratio=0.4).fit(X, y, parts=parts, files=files)
    unit = X - X.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    typical = 2 * unit.var(axis=0).sum()
    apart = np.array([[np.square(a - b).sum() for a in unit] for b in unit])
    tenth = np.sort(apart, axis=1)[:, 10]  # the first is the row itself
    want = {
        (i, j): 1 - apart[i, j] / typical
        for i in range(303)
        for j in range(i + 1, 303)
        if apart[i, j] <= 0.4 * min(tenth[i], tenth[j])
    }
    table = audit.duplicates_
    assert {(5, 300), (9, 301), (9, 302), (301, 302)} <= pairs_of(table)
    assert pairs_of(table) == set(want) and len(table) == len(want)
    assert (np.diff(table["similarity"]) <= 0).all()
    for line in table.itertuples():
        pair = line.row_a, line.row_b
        assert line.similarity == pytest.approx(want[pair])
        assert not line.same_picture  # nobody looked
        assert (line.label_a, line.label_b) == (y[pair[0]], y[pair[1]])
        assert line.same_class == (line.label_a == line.label_b)
        assert (line.part_a, line.part_b) == (parts[pair[0]], parts[pair[1]])
        assert line.same_part == (line.part_a == line.part_b)
        assert (line.file_a, line.file_b) == (files[pair[0]], files[pair[1]])


def test_rows_of_one_group_are_no_copies_and_do_not_vote(digits):
    X, y = digits[0][:200], digits[1][:200].copy()
    X, y = np.vstack([X, X[:20]]), np.append(y, y[:20])
    y[[3, 203]] = (y[3] + 1) % 10  # a burst with one wrong label
    groups = np.append(np.arange(200), np.arange(20))
    apart = LabelAudit().fit(X, y, groups=groups)
    together = LabelAudit().fit(X, y)
    copies = {(i, 200 + i) for i in range(20)}
    assert copies <= pairs_of(together.duplicates_)
    assert not copies & pairs_of(apart.duplicates_)
    assert {3, 203} <= set(apart.suspect_labels_["row"])
    assert (apart.label_quality_[[3, 203]] < together.label_quality_[[3, 203]]).all()


def test_strangers_among_the_rows_and_after(digits):
    X, y = digits[0][:400].copy(), digits[1][:400]
    random = np.random.default_rng(0)
    strangers = random.random((20, 64))
    X[:3] = strangers[:3]
    files = np.array([f"{i}.png" for i in range(400)])
    audit = LabelAudit().fit(X, y, files=files)
    table = audit.outliers_
    assert set(table["row"][:3]) == {0, 1, 2}
    assert len(table) == 4
    distances, _ = SoftKNNClassifier(5, preprocessing="l2").fit(X, y).kneighbors()
    ids = SoftKNNClassifier(20).fit(X, y).kneighbors(return_distance=False)
    means = distances.mean(axis=1)
    np.testing.assert_allclose(
        table["distance"], means[table["row"]] / np.median(means)
    )
    assert (np.diff(table["distance"]) <= 0).all()
    np.testing.assert_array_equal(table["nearest_row"], ids[table["row"], 0])
    np.testing.assert_array_equal(table["file"], files[table["row"]])
    np.testing.assert_array_equal(table["nearest_file"], files[table["nearest_row"]])
    unlike = audit.unlike(strangers[3:])
    assert unlike.dtype == bool and unlike.mean() > 0.8
    assert audit.unlike(digits[0][400:800]).mean() < 0.05


def test_overlap_is_the_mean_vote(planted, audit):
    X, labels, _ = planted
    proba = SoftKNNClassifier(20, tau="scale").fit(X, labels).predict_proba(None)
    table = audit.class_overlap_
    assert (np.diff(table["share"]) <= 0).all()
    seen = set()
    for line in table.itertuples():
        own = proba[labels == line.class_a]
        back = proba[labels == line.class_b]
        assert line.share == pytest.approx(own[:, line.class_b].mean())
        assert line.share_back == pytest.approx(back[:, line.class_a].mean())
        assert line.n_rows == len(own)
        assert line.n_taken == (own.argmax(axis=1) == line.class_b).sum()
        seen.add((line.class_a, line.class_b))
    for a in range(10):
        for b in range(10):
            share = proba[labels == a][:, b].mean()
            assert ((a, b) in seen) == (a != b and share > 0)


def test_words_frames_copies_and_pickles(planted, audit):
    X, labels, _ = planted
    words = np.array([f"digit {c}" for c in range(10)])[labels]
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    files = pd.Series([f"{i}.png" for i in range(len(X))])
    named = clone(audit).fit(frame, pd.Series(words), files=files)
    np.testing.assert_array_equal(named.label_quality_, audit.label_quality_)
    np.testing.assert_array_equal(named.feature_names_in_, frame.columns)
    first = named.suspect_labels_.iloc[0]
    assert first["label"] == words[first["row"]]
    assert first["file"] == files[first["row"]]
    assert first["nearest_files"] == [files[i] for i in first["nearest_rows"]]
    again = pickle.loads(pickle.dumps(named))
    pd.testing.assert_frame_equal(again.suspect_labels_, named.suspect_labels_)
    np.testing.assert_array_equal(again.unlike(frame), named.unlike(frame))
    with pytest.raises(ValueError, match="feature names"):
        named.unlike(frame[frame.columns[::-1]])


def test_edges():
    """A class of one row, equal rows, and nothing to report."""
    X = np.array([[0.0, 0], [0, 0], [0, 0], [5, 5]])
    audit = LabelAudit(2).fit(X, ["a", "a", "b", "c"])
    assert np.isfinite(audit.label_quality_).all()
    assert pairs_of(audit.duplicates_) == {(0, 1), (0, 2), (1, 2)}
    same = LabelAudit(1).fit(np.ones((4, 2)), [0, 0, 1, 1])
    assert np.isfinite(same.label_quality_).all()
    assert not same.unlike(np.ones((1, 2))).any()
    apart = np.vstack([np.eye(6), -np.eye(6)])
    quiet = LabelAudit(2, duplicate_ratio=0.0).fit(apart, np.repeat([0, 1], 6))
    assert len(quiet.duplicates_) == 0
    assert list(quiet.duplicates_) == list(audit.duplicates_)


def test_errors_name_what_is_wrong(digits, monkeypatch):
    X, y = digits[0][:50], digits[1][:50]
    with pytest.raises(ValueError, match="files has 3 entries for 50 rows"):
        LabelAudit().fit(X, y, files=["a", "b", "c"])
    with pytest.raises(ValueError, match="parts has 1 entries"):
        LabelAudit().fit(X, y, parts=["train"])
    with pytest.raises(ValueError, match="linear_share.*the votes alone"):
        LabelAudit(linear_share=2).fit(X, y)
    with pytest.raises(ValueError, match="algorithm.*has no rows"):
        LabelAudit(algorithm="precomputed").fit(X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"LabelAudit needs pandas.*\[frames"):
        LabelAudit().fit(X, y)


@pytest.mark.parametrize("shape", [(200, 30), (60, 90)], ids=["tall", "wide"])
def test_single_precision_is_enough_for_rows_of_usual_length(shape):
    """Rows of float32 as their float64 copies; also with one that stands alone."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, shape[0])
    X = random.normal(size=shape).astype(np.float32)
    X[:, 0] += y
    for longest in (1, 1e4):
        X[0] *= longest
        setting = {"linear_share": 1, "tau": 1.0, "preprocessing": None}
        single = LabelAudit(4, **setting).fit(X, y)
        double = LabelAudit(4, **setting).fit(X.astype(np.float64), y)
        np.testing.assert_allclose(
            single.label_quality_, double.label_quality_, rtol=1e-3, atol=1e-6
        )
