"""Nothing is made on torch's default device, which may be a card while ours is none.

The device "meta" stands in for it: nothing that is made there can be computed with.
"""

import numpy as np
import pytest
import torch
from audio_models import save_model as save_audio_model
from audio_models import sounds
from finetuning_examples import labelled_images
from finetuning_examples import tiny as fine_tuned
from fungi_examples import tiny
from numpy.testing import assert_array_equal
from patch_examples import embedder_for, noise_pictures
from sequence_references import of_sequences
from text_models import save_model as save_text_model
from text_models import texts

from skknn import AudioBackbone, BackboneEmbedder, TextBackbone
from skknn.datastore import NeighborIndex
from skknn.gradients import AudioSimCLRObjective, TextSimCLRObjective

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), dtype=np.uint8)


def embedding(folder):
    settings = {"weights": None, "random_state": 0, "device": "cpu"}
    return BackboneEmbedder("test_resnet", **settings).fit_transform(IMAGES)


def gradients(folder):
    fungi = tiny().fit(IMAGES)
    return [*fungi.views(IMAGES[:1], "dino"), fungi.transform(IMAGES)]


def gradients_of_positions(folder):
    return embedder_for("vit_tiny_patch16_224", device="cpu").fit_transform(
        noise_pictures()
    )


def gradients_of_texts(folder):
    simclr = TextSimCLRObjective(n_views=3, n_negatives=2)
    with torch.device("cpu"):
        save_text_model(folder)
    return of_sequences(TextBackbone(folder), simclr).fit_transform(texts(6))


def gradients_of_sounds(folder):
    simclr = AudioSimCLRObjective(n_views=3, n_negatives=2, shift=5)
    with torch.device("cpu"):
        save_audio_model(folder)
    return of_sequences(AudioBackbone(folder), simclr).fit_transform(sounds(5))


def learning(folder):
    X, y = labelled_images()
    return fine_tuned(epochs=1, device="cpu").fit(X, y).predict_proba(X)


def search(folder):
    rows = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    index = NeighborIndex(algorithm="torch", device="cpu").fit(rows)
    return [*index.kneighbors(rows, 5), *index.leave_one_out(5)]


@pytest.mark.parametrize(
    "rows",
    [
        embedding,
        gradients,
        gradients_of_positions,
        gradients_of_texts,
        gradients_of_sounds,
        learning,
        search,
    ],
)
def test_rows_are_the_same_whatever_the_default_device(rows, tmp_path):
    expected = rows(tmp_path / "one")
    with torch.device("meta"):
        found = rows(tmp_path / "other")
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(a, b)
