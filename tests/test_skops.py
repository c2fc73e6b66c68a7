"""What the page on saving says of skops: files of named types, of every model."""

import importlib.util

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from skknn import (
    BackboneEmbedder,
    BlockWeights,
    FungiTransformer,
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)

io = pytest.importorskip("skops.io")


def embedder():
    return BackboneEmbedder("test_resnet", weights=None, image_size=32, random_state=0)


def fungi():
    return FungiTransformer(
        "test_vit", weights=None, image_size=32, objectives="kl", random_state=0
    )


MODELS = {
    "soft kNN": SoftKNNClassifier(4),
    "in numpy": SoftKNNClassifier(4, algorithm="brute"),
    "weighted": KNNWeightedLogisticRegression(4),
    "joint": JointKNNClassifier(4),
    "joint, forest": JointKNNClassifier(4, estimator=RandomForestClassifier(5)),
    "chosen": JointKNNClassifierCV(cv=2),
    "search": NeighborSearchCV(SoftKNNClassifier(), {"k": [2, 4]}, cv=2),
    "blocks": make_pipeline(BlockWeights(blocks=2), SoftKNNClassifier(4)),
    "images": make_pipeline(embedder(), JointKNNClassifier(3)),
    "gradients": make_pipeline(fungi(), JointKNNClassifier(3)),
}
if importlib.util.find_spec("faiss") is not None:
    MODELS["graph"] = SoftKNNClassifier(4, algorithm="hnsw")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_named_types(name):
    rng = np.random.default_rng(0)
    if name in ("images", "gradients"):
        X = rng.integers(0, 256, (12, 32, 32, 3), "uint8")
    else:
        X = rng.standard_normal((60, 8)).astype("float32")
    y = np.array(["bird", "cat", "dog"])[np.arange(len(X)) % 3]
    model = MODELS[name].fit(X, y)
    saved = io.dumps(model)
    names = io.get_untrusted_types(data=saved)
    assert names and all(n.startswith(("skknn.", "sklearn.")) for n in names)
    again = io.loads(saved, trusted=names)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
