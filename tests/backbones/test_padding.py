"""Encoders of texts that heed padding, that cannot go without a pooler, or that have
no bound on their length."""

import numpy as np
import pytest
from text_models import SIZES, hidden_states, texts, tokenizer

from skknn import BackboneEmbedder, TextBackbone

transformers = pytest.importorskip("transformers")

X = texts(12)
SQUEEZE = dict.fromkeys(
    (
        "q_groups",
        "k_groups",
        "v_groups",
        "post_attention_groups",
        "intermediate_groups",
        "output_groups",
    ),
    1,
)


def save(folder, name, **sizes):
    """Write a model with random weights and the tokenizer of words."""
    words = tokenizer()
    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(words), pad_token_id=0, **sizes
    )
    module = getattr(transformers, f"{name}Model")(config)
    for parameter in module.parameters():
        # Fresh weights are so small that all texts look alike.
        parameter.data += 0.1
    module.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        # The next token's embedding is part of a token's.
        ("MobileBert", {**SIZES, "embedding_size": 16, "intra_bottleneck_size": 24}),
        # Convolutions over tokens that no mask reaches.
        ("ConvBert", {**SIZES, "embedding_size": 16, "head_ratio": 1}),
        # Tokens are mixed by a Fourier transform, without a mask.
        (
            "FNet",
            {key: value for key, value in SIZES.items() if "heads" not in key},
        ),
    ],
)
def test_models_that_heed_padding_are_refused(name, sizes, tmp_path):
    backbone = TextBackbone(save(tmp_path, name, **sizes))
    with pytest.raises(ValueError, match=f"{name}Model heeds .*Use a model whose"):
        BackboneEmbedder(backbone, device="cpu").fit(X)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("SqueezeBert", {**SIZES, **SQUEEZE, "embedding_size": 24}),
        ("LayoutLM", SIZES),
        ("XLNet", {"d_model": 24, "n_layer": 3, "n_head": 2, "d_inner": 40}),
    ],
)
def test_models_without_bound_or_with_a_pooler_of_need(name, sizes, tmp_path):
    backbone = TextBackbone(save(tmp_path, name, **sizes))
    fitted = BackboneEmbedder(backbone, device="cpu", precision="float32").fit(X)
    module, words = fitted.backbone_.module, tokenizer()
    expected = [hidden_states(module, words, text).mean(0).numpy() for text in X]
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(fitted.transform(X), expected, rtol=0, atol=1e-5)
