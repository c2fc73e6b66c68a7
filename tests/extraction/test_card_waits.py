"""How often the host waits for a card does not grow with the images of a launch.

With the stand-in alone (see stand_in_card.py), which counts.
"""

import sys

import numpy as np
import pytest
from fungi_references import noise_images

from skknn import (
    BackboneEmbedder,
    DenseEmbedder,
    DINOObjective,
    FungiTransformer,
    PatchSimCLRObjective,
    SimCLRObjective,
)

STAND_IN = sys.modules.get("stand_in_card")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(STAND_IN is None, reason="no stand-in card: nothing counts"),
]
SETTINGS = {
    "weights": None,
    "random_state": 0,
    "device": "cuda",
    "image_size": 32,
    "batch_size": 64,
}


def waits(transformer, X):
    fitted = transformer.fit(X[:4])
    fitted.transform(X[:2])  # what is made once
    STAND_IN.WAITS.clear()
    fitted.transform(X)
    return dict(STAND_IN.WAITS)


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
@pytest.mark.parametrize(
    "objectives",
    [None, "kl", DINOObjective(n_local=2), SimCLRObjective(n_views=4, n_negatives=2)],
)
def test_waits_are_those_of_a_launch(name, objectives):
    kind, kwargs = BackboneEmbedder, {}
    if objectives is not None:
        kind = FungiTransformer
        kwargs = {"objectives": [objectives], "n_components": None}
    few, many = (
        waits(kind(name, **kwargs, **SETTINGS), noise_images(n)) for n in (4, 12)
    )
    assert few == many
    assert sum(many.values()) <= 4


@pytest.mark.parametrize("gradients", [None, PatchSimCLRObjective()])
def test_waits_of_maps_are_those_of_a_launch(gradients):
    few, many = (
        waits(DenseEmbedder("test_vit", gradients=gradients, **SETTINGS), images)
        for images in (noise_images(4), noise_images(12))
    )
    assert few == many


def test_few_queries_are_waited_for_once():
    from skknn.datastore import NeighborIndex

    rows = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    index = NeighborIndex(preprocessing=None, algorithm="torch", device="cuda")
    index.fit(rows).kneighbors(rows[:3], 5)
    STAND_IN.WAITS.clear()
    index.kneighbors(rows[:8], 5)
    # Queries go there, neighbours come back.
    assert dict(STAND_IN.WAITS) == {"to": 1, "cpu": 1}
