"""Sounds on a CUDA device: the rows of the CPU, whatever the batch."""

import numpy as np
import pytest
from audio_models import save_model, sounds

from skknn import AudioBackbone, BackboneEmbedder, FungiTransformer, KLObjective
from skknn.gradients import AudioSimCLRObjective

pytestmark = pytest.mark.gpu
X = [*sounds(10), *sounds(2, seed=1, low=1.4, high=1.5)]
OBJECTIVES = (KLObjective(), AudioSimCLRObjective(n_views=4, n_negatives=4, shift=5))


def transformers(folder, device, **more):
    settings = {"device": device, "precision": "float32", **more}
    backbone = AudioBackbone(folder)
    yield BackboneEmbedder(backbone, **settings)
    yield FungiTransformer(
        backbone,
        objectives=OBJECTIVES,
        include_view_embeddings=True,
        n_components=None,
        random_state=0,
        **settings,
    )


@pytest.mark.parametrize("family", ["ast", "wav2vec2"])
def test_rows_are_those_of_the_cpu(family, tmp_path):
    folder = save_model(tmp_path, family)
    pairs = zip(transformers(folder, "cpu"), transformers(folder, "cuda"))
    for here, there in pairs:
        expected, found = here.fit_transform(X), there.fit_transform(X)
        assert there.device_.type == "cuda"
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_bfloat16_and_batches(tmp_path):
    folder = save_model(tmp_path)
    for whole, single, rough in zip(
        transformers(folder, "cuda"),
        transformers(folder, "cuda", batch_size=1),
        transformers(folder, "cuda", precision="bf16"),
    ):
        rows = whole.fit_transform(X)
        scale = np.abs(rows).max()
        np.testing.assert_allclose(single.fit_transform(X), rows, atol=1e-4 * scale)
        other = rough.fit_transform(X)
        cosines = (rows * other).sum(1)
        cosines /= np.linalg.norm(rows, axis=1) * np.linalg.norm(other, axis=1)
        assert np.isfinite(other).all() and np.median(cosines) > 0.97
