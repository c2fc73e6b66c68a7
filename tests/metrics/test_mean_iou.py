"""Mean intersection over union against plain loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from skknn.metrics import ConfusionMeter, mean_iou


def iou_by_loops(true, predicted, n_classes, ignore):
    pairs = [(t, p) for t, p in zip(true.flat, predicted.flat) if t != ignore]
    scores = []
    for c in range(n_classes):
        both = sum(t == c and p == c for t, p in pairs)
        either = sum(t == c or p == c for t, p in pairs)
        scores.append(both / either if either else np.nan)
    return np.array(scores)


@pytest.fixture
def maps(rng=None):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 5, (4, 9, 7))
    predicted = np.where(
        rng.random(true.shape) < 0.6, true, rng.integers(0, 5, true.shape)
    )
    true[rng.random(true.shape) < 0.1] = 255
    return true, predicted


def test_equals_plain_loops_and_scikit_learn(maps):
    true, predicted = maps
    meter = ConfusionMeter(6, 255).update(true, predicted)
    expected = iou_by_loops(true, predicted, 6, 255)
    np.testing.assert_allclose(meter.iou(), expected, rtol=1e-14)
    assert np.isnan(expected[5])
    assert meter.mean_iou() == pytest.approx(np.nanmean(expected), rel=1e-14)
    kept = true != 255
    table = confusion_matrix(true[kept], predicted[kept], labels=range(6))
    np.testing.assert_array_equal(meter.counts[:, :-1], table)


def test_order_and_cut_do_not_matter(maps):
    true, predicted = maps
    whole = ConfusionMeter(5, 255).update(true, predicted).counts
    meter = ConfusionMeter(5, 255)
    order = np.random.default_rng(1).permutation(true.size)
    for part in np.array_split(order, 7):
        meter.update(true.flat[part], predicted.flat[part])
    np.testing.assert_array_equal(meter.counts, whole)


def test_lists_of_maps_of_different_sizes(maps):
    true, predicted = maps
    t = [true[0], true[1, :3]]
    p = [predicted[0], predicted[1, :3]]
    joined = [np.concatenate([m.ravel() for m in side]) for side in (t, p)]
    expected = np.nanmean(iou_by_loops(*joined, 5, 255))
    assert mean_iou(t, p, ignore_index=255) == pytest.approx(expected, rel=1e-14)


def test_absent_classes_are_skipped_or_zero():
    true = np.arange(151).repeat(3)
    true[true == 0] = 1
    assert mean_iou(true, true, n_classes=151) == 1.0
    zero = mean_iou(true, true, n_classes=151, absent="zero")
    assert zero == pytest.approx(150 / 151, abs=0)
    ignored = {"n_classes": 151, "ignore_index": 0}
    true = np.arange(151).repeat(3)
    assert mean_iou(true, true, **ignored) == 1.0
    assert mean_iou(true, true, absent="zero", **ignored) == pytest.approx(150 / 151)


def test_an_ignored_class_has_no_score_even_when_it_is_predicted():
    true, predicted = np.array([0, 1, 1, 2]), np.array([1, 0, 1, 2])
    # Class 1: one hit of two pixels (the pixel of class 0 does not count).
    assert mean_iou(true, predicted, ignore_index=0) == pytest.approx((0.5 + 1) / 2)


def test_predicted_void_is_wrong():
    assert mean_iou([[0, 0, 1]], [[0, 255, 1]], ignore_index=255) == pytest.approx(0.75)


def test_hungarian_matching_hides_swapped_classes():
    rng = np.random.default_rng(3)
    true = rng.integers(0, 5, 20_000)
    predicted = np.where(
        rng.random(true.size) < 0.05, rng.integers(0, 5, true.size), true
    )
    straight = mean_iou(true, predicted)
    swapped = np.array([1, 0, 2, 3, 4])[predicted]
    assert mean_iou(true, swapped) < 0.62 < 0.9 < straight
    hidden = mean_iou(true, swapped, matching="hungarian")
    assert hidden == pytest.approx(straight, rel=1e-14)


def test_hungarian_is_the_best_of_all_permutations(maps):
    from itertools import permutations

    true, predicted = maps
    names = np.array([2, 0, 4, 1, 3])[predicted]
    scores = []
    for order in permutations(range(5)):
        scores.append(iou_by_loops(true, np.array(order)[names], 5, 255).mean())
    found = mean_iou(true, names, ignore_index=255, matching="hungarian")
    assert found == pytest.approx(max(scores), rel=1e-14)


def test_nothing_seen_is_nan():
    assert np.isnan(mean_iou([[255]], [[0]], ignore_index=255, n_classes=3))


@pytest.mark.parametrize(
    ("true", "predicted", "settings", "message"),
    [
        ([[0, 1]], [[0]], {}, "shape"),
        ([[0, 1]], [[0, 1], [0, 1]], {}, "1 maps"),
        ([[0, 7]], [[0, 1]], {"n_classes": 2}, "y_true contains 7"),
        ([[0, 1]], [[0, -1]], {"n_classes": 2}, "y_pred contains -1"),
        ([[0]], [[0]], {"n_classes": 0}, "n_classes=0"),
        ([[0]], [[0]], {"absent": "one"}, "absent='one'"),
        ([[0]], [[0]], {"matching": "greedy"}, "matching='greedy'"),
    ],
)
def test_what_cannot_be_scored(true, predicted, settings, message):
    with pytest.raises(ValueError, match=message):
        mean_iou(true, predicted, **settings)


def test_probabilities_are_refused():
    with pytest.raises(TypeError, match="argmax"):
        mean_iou([[0, 1]], [[0.2, 0.9]])


def test_void_is_an_integer():
    with pytest.raises(TypeError, match="ignore_index=0.5"):
        mean_iou([[0, 1]], [[0, 1]], ignore_index=0.5)


def test_a_refused_map_leaves_the_counts_alone():
    meter = ConfusionMeter(2).update([0, 1], [0, 1])
    with pytest.raises(ValueError):
        meter.update([0, 5], [0, 1])
    assert meter.counts.sum() == 2
