"""Gradients of texts equal plain float64 autograd, for every family and objective."""

import pytest
import torch
from sequence_references import assert_exact, of_sequences
from text_models import LAYERS, save_model, texts, tokenizer

from skknn import TextBackbone
from skknn.gradients import TextSimCLRObjective

X = texts(14)
WORDS = tokenizer()
SIMCLR = TextSimCLRObjective(n_views=4, n_negatives=5, deletion=0.3)


def fungi_for(folder, simclr=SIMCLR, **kwargs):
    objectives = ("kl", simclr)
    return of_sequences(TextBackbone(folder), simclr, objectives=objectives, **kwargs)


def embed(module, text):
    """The mean over the tokens of one text alone."""
    tokens = torch.tensor([WORDS.encode(str(text))])
    return module(input_ids=tokens).last_hidden_state[0].mean(0)


@pytest.mark.parametrize("family", LAYERS)
def test_families(family, tmp_path):
    fungi = fungi_for(save_model(tmp_path, family)).fit(X)
    assert fungi.layer_ == LAYERS[family]
    module = fungi.backbone_.module
    layer = module.get_submodule(fungi.layer_)
    assert (layer.bias is None) == (family == "t5")
    assert fungi.gradients(X[:1], "kl").shape[1] == (576 if family == "t5" else 600)
    assert getattr(module, "pooler", None) is None
    assert_exact(fungi, X, embed)


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
    fungi = fungi_for(save_model(tmp_path), layer=layer).fit(X)
    assert_exact(fungi, X, embed)


def test_long_views_in_several_passes(tmp_path):
    many = TextSimCLRObjective(n_views=40, n_negatives=2, deletion=0.2)
    fungi = fungi_for(save_model(tmp_path), many).fit(X)
    assert_exact(fungi, X, embed)


def test_layers_that_are_none(tmp_path):
    folder = save_model(tmp_path)
    with pytest.raises(ValueError, match="encoder.layer.2.attention.output.dense"):
        fungi_for(folder, layer="encoder.layer.9.output.dense").fit(X)
    with pytest.raises(ValueError, match="LayerNorm; allowed are Linear"):
        fungi_for(folder, layer="embeddings.LayerNorm").fit(X)
