"""Lists of labels, of which numpy would make text where they are of several kinds."""

import numpy as np
import pytest

from skknn import (
    BlockWeights,
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)

X = np.random.default_rng(0).normal(size=(60, 6))
ESTIMATORS = {
    "kNN": SoftKNNClassifier(5),
    "base": KNNWeightedLogisticRegression(5),
    "joint": JointKNNClassifier(5),
    "joint, CV": JointKNNClassifierCV(),
    "search": NeighborSearchCV(SoftKNNClassifier(), {"n_neighbors": [3, 5]}),
    "blocks": BlockWeights(blocks=[3, 3]),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_of_mixed_labels(name, kind):
    text = ["cat", "dog"] * 30
    for other, message in (
        (1, "mixes text and other labels"),
        (np.nan, "has no label in row 7"),
        (None, "has no label in row 7"),
    ):
        y = [*text[:7], other, *text[8:]]
        with pytest.raises(ValueError, match=message):
            ESTIMATORS[name].fit(X, kind(y))


def test_lists_of_one_kind_stay_as_they_are():
    for y in (["a", "b"] * 30, [1, 2] * 30, [True, False] * 30, [0.0, 2.0] * 30):
        fitted = SoftKNNClassifier(5).fit(X, y)
        assert fitted.classes_.dtype == np.asarray(y).dtype
        assert set(fitted.predict(X).tolist()) <= set(y)


def test_classes_and_groups():
    with pytest.raises(ValueError, match="classes mixes text|classes has no label"):
        SoftKNNClassifier(5).partial_fit(X, ["a", "b"] * 30, classes=["a", "b", 3])
    groups = ["x", "y", None] * 20
    for name in ("kNN", "joint, CV"):
        with pytest.raises(ValueError, match="groups has no label in row 2"):
            ESTIMATORS[name].fit(X, ["a", "b"] * 30, groups=groups)


@pytest.mark.parametrize("name", ["kNN", "joint", "joint, CV"])
def test_groups_of_another_length(name):
    with pytest.raises(ValueError, match="groups has 2 entries for 60 rows"):
        ESTIMATORS[name].fit(X, [0, 1] * 30, groups=[1, 2])
