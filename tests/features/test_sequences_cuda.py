"""Texts and sounds on a CUDA device: the rows of the CPU, whatever the batch."""

import audio_models
import numpy as np
import pytest
import text_models

from skknn import (
    AudioBackbone,
    BackboneEmbedder,
    FungiTransformer,
    KLObjective,
    TextBackbone,
)
from skknn.gradients import AudioSimCLRObjective, TextSimCLRObjective

pytestmark = pytest.mark.gpu
TEXTS = text_models.texts(40)
SOUNDS = [
    *audio_models.sounds(10),
    *audio_models.sounds(2, seed=1, low=1.4, high=1.5),
]
# Where models are written, of what kind the backbone and the views are, and items.
OF_TEXTS = (
    text_models.save_model,
    TextBackbone,
    TextSimCLRObjective(n_views=4, n_negatives=8),
    TEXTS,
)
OF_SOUNDS = (
    audio_models.save_model,
    AudioBackbone,
    AudioSimCLRObjective(n_views=4, n_negatives=4, shift=5),
    SOUNDS,
)


def transformers(backbone, simclr, device, **more):
    settings = {"device": device, "precision": "float32", **more}
    yield BackboneEmbedder(backbone, **settings)
    yield FungiTransformer(
        backbone,
        objectives=(KLObjective(), simclr),
        include_view_embeddings=True,
        n_components=None,
        random_state=0,
        **settings,
    )


def agree(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-4 * scale)


@pytest.mark.parametrize(
    "family, kind",
    [
        ("bert", OF_TEXTS),
        ("t5", OF_TEXTS),
        ("ast", OF_SOUNDS),
        ("wav2vec2", OF_SOUNDS),
    ],
    ids=["bert", "t5", "ast", "wav2vec2"],
)
def test_rows_are_those_of_the_cpu(family, kind, tmp_path):
    save, backbone, simclr, X = kind
    model = backbone(save(tmp_path, family))
    for here, there in zip(
        transformers(model, simclr, "cpu"), transformers(model, simclr, "cuda")
    ):
        agree(there.fit_transform(X), here.fit_transform(X))
        assert there.device_.type == "cuda"


@pytest.mark.parametrize(
    "kind, near", [(OF_TEXTS, 0.99), (OF_SOUNDS, 0.97)], ids=["texts", "sounds"]
)
def test_bfloat16_and_batches(kind, near, tmp_path):
    save, backbone, simclr, X = kind
    model = backbone(save(tmp_path))
    for whole, single, rough in zip(
        transformers(model, simclr, "cuda"),
        transformers(model, simclr, "cuda", batch_size=1),
        transformers(model, simclr, "cuda", precision="bf16"),
    ):
        rows = whole.fit_transform(X)
        agree(single.fit_transform(X), rows)
        other = rough.fit_transform(X)
        cosines = (rows * other).sum(1)
        cosines /= np.linalg.norm(rows, axis=1) * np.linalg.norm(other, axis=1)
        assert np.isfinite(other).all() and np.median(cosines) > near
