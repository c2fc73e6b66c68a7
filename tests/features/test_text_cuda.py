"""Texts on a CUDA device: the rows of the CPU, whatever the batch."""

import numpy as np
import pytest
from text_models import save_model, texts

from skknn import BackboneEmbedder, FungiTransformer, KLObjective, TextBackbone
from skknn.gradients import TextSimCLRObjective

pytestmark = pytest.mark.gpu
X = texts(40)
OBJECTIVES = (KLObjective(), TextSimCLRObjective(n_views=4, n_negatives=8))


def transformers(folder, device, **more):
    settings = {"device": device, "precision": "float32", **more}
    backbone = TextBackbone(folder)
    yield BackboneEmbedder(backbone, **settings)
    yield FungiTransformer(
        backbone,
        objectives=OBJECTIVES,
        n_components=None,
        random_state=0,
        **settings,
    )


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_rows_are_those_of_the_cpu(family, tmp_path):
    folder = save_model(tmp_path, family)
    kept = [text for text in X if len(text.split()) > 2]
    pairs = zip(transformers(folder, "cpu"), transformers(folder, "cuda"))
    for here, there in pairs:
        expected = here.fit_transform(kept)
        found = there.fit_transform(kept)
        assert there.device_.type == "cuda"
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale)


def test_bfloat16_and_batches(tmp_path):
    folder = save_model(tmp_path)
    for whole, single, rough in zip(
        transformers(folder, "cuda"),
        transformers(folder, "cuda", batch_size=1),
        transformers(folder, "cuda", precision="bf16"),
    ):
        rows = whole.fit_transform(X)
        np.testing.assert_allclose(single.fit_transform(X), rows, atol=1e-4)
        other = rough.fit_transform(X)
        cosines = (rows * other).sum(1)
        cosines /= np.linalg.norm(rows, axis=1) * np.linalg.norm(other, axis=1)
        assert np.isfinite(other).all() and np.median(cosines) > 0.99
