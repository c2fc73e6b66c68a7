"""Gradients of texts equal plain float64 autograd, for every family and objective."""

import numpy as np
import pytest
from fungi_references import relative_error, unit
from text_models import LAYERS, plain_gradients, save_model, texts, tokenizer

from skknn import FungiTransformer, TextBackbone
from skknn.gradients import TextSimCLRObjective

# Where all views are the same (of a single word they have to be) what is left of their
# gradients cancels, and float32 has less of it to give.
X = [text for text in texts(14) if len(text.split()) > 2]
WORDS = tokenizer()
OBJECTIVES = ("kl", TextSimCLRObjective(n_views=4, n_negatives=5, deletion=0.3))


def fungi_for(folder, **kwargs):
    settings = {
        "objectives": OBJECTIVES,
        "n_components": None,
        "random_state": 0,
        "device": "cpu",
        "precision": "float32",
        "n_jobs": 1,
    }
    return FungiTransformer(TextBackbone(folder), **settings | kwargs)


def assert_exact(fungi, tolerance=1e-5):
    """Gradients against autograd of each text alone, features against the same R."""
    features = fungi.transform(X)
    for name in ("kl", "simclr"):
        reference = plain_gradients(fungi, X, name, WORDS)
        assert np.linalg.norm(reference, axis=1).min() > 0
        assert relative_error(fungi.gradients(X, name), reference) < tolerance, name
        scaled = reference / np.abs(reference).max(axis=1, keepdims=True)
        projected = unit(fungi.project(scaled))
        part = fungi.feature_slices_[name]
        assert relative_error(features[:, part], projected) < tolerance, name


@pytest.mark.parametrize("family", LAYERS)
def test_families(family, tmp_path):
    fungi = fungi_for(save_model(tmp_path, family)).fit(X)
    assert fungi.layer_ == LAYERS[family]
    module = fungi.backbone_.module
    layer = module.get_submodule(fungi.layer_)
    assert (layer.bias is None) == (family == "t5")
    assert fungi.gradients(X[:1], "kl").shape[1] == (576 if family == "t5" else 600)
    assert getattr(module, "pooler", None) is None
    assert_exact(fungi)


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize(
    "layer",
    [
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ],
)
def test_layers_of_any_block(block, layer, tmp_path):
    """Below the last block, too, what is padding in a batch has no part."""
    layer = f"encoder.layer.{block}.{layer}"
    assert_exact(fungi_for(save_model(tmp_path), layer=layer).fit(X))


def test_long_views_in_several_passes(tmp_path):
    many = TextSimCLRObjective(n_views=40, n_negatives=2, deletion=0.2)
    fungi = fungi_for(save_model(tmp_path), objectives=("kl", many)).fit(X)
    assert_exact(fungi)


def test_layers_that_are_none(tmp_path):
    folder = save_model(tmp_path)
    with pytest.raises(ValueError, match="encoder.layer.2.attention.output.dense"):
        fungi_for(folder, layer="encoder.layer.9.output.dense").fit(X)
    with pytest.raises(ValueError, match="LayerNorm; allowed are Linear"):
        fungi_for(folder, layer="embeddings.LayerNorm").fit(X)
