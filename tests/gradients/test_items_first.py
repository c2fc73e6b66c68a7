"""Layers that are given tokens first, items second, are refused: gradients of items
that are computed together would be mixed."""

import numpy as np
import pytest
import torch
from text_models import save_model, texts, tokenizer
from torch import nn

from skknn import AudioBackbone, FungiTransformer, KLObjective, TextBackbone


class Tokens(nn.Module):
    """A transformer on mel bands, whose tokens come first or second."""

    def __init__(self, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.inner = nn.Linear(16, 24)
        layer = nn.TransformerEncoderLayer(24, 2, 40, batch_first=batch_first)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        x = self.inner(x)
        if self.batch_first:
            return self.blocks(x)
        return self.blocks(x.transpose(0, 1)).transpose(0, 1)


class Folded(nn.Module):
    """Tokens of all items in one long row, those of an item together or apart."""

    def __init__(self, items_first):
        super().__init__()
        self.items_first = items_first
        self.inner, self.head = nn.Linear(16, 24), nn.Linear(24, 24)

    def forward(self, x):
        x = self.inner(x)
        if not self.items_first:
            x = x.transpose(0, 1)
        y = self.head(x.flatten(0, 1).tanh()).unflatten(0, x.shape[:2])
        return y if self.items_first else y.transpose(0, 1)


class Sorted(nn.Module):
    """Sorts items within a batch and back, as for packed sequences."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(16, 24), nn.Linear(24, 24)

    def forward(self, x):
        order = x.std((1, 2)).argsort(descending=True)
        return self.head(self.inner(x)[order].tanh())[order.argsort()]


def fungi(backbone, layer="auto"):
    return FungiTransformer(
        backbone,
        objectives=(KLObjective(head_dim=16),),
        layer=layer,
        n_components=None,
        random_state=0,
        device="cpu",
        precision="float32",
        n_jobs=1,
    )


def sounds(n):
    noise = np.random.default_rng(0).standard_normal((n, 8000))
    return [(row.astype(np.float32), 16_000) for row in noise]


@pytest.mark.parametrize("layer", ["auto", "blocks.layers.0.linear1"])
def test_own_modules(layer):
    X = sounds(12)
    torch.manual_seed(0)
    fitted = fungi(AudioBackbone(Tokens(True), n_mels=16), layer).fit(X)
    rows = fitted.transform(X)
    alone = np.vstack([fitted.transform([x]) for x in X])
    np.testing.assert_allclose(rows, alone, rtol=0, atol=1e-5)
    assert fitted.gradients(X, "kl").shape[0] == len(X)
    tokens_first = fungi(AudioBackbone(Tokens(False), n_mels=16), layer).fit(X)
    with pytest.raises(ValueError, match="for one item.*batch_first=True"):
        tokens_first.transform(X)
    with pytest.raises(ValueError, match="by Tokens .*Choose another layer="):
        tokens_first.gradients(X, "kl")
    # Where no gradient is taken nothing is wrong.
    none = tokens_first.set_params(objectives=()).fit(X)
    assert none.transform(X).shape == (12, 24)


def test_as_many_rows_in_another_order():
    refused_alone("float32")


def test_as_many_rows_in_another_order_bf16(bf16):
    refused_alone(bf16)


def refused_alone(precision):
    """Tokens of an item apart are refused, and those together are not."""
    X = sounds(12)
    torch.manual_seed(0)
    right, wrong = (
        fungi(AudioBackbone(Folded(first), n_mels=16), "head")
        .set_params(precision=precision)
        .fit(X)
        for first in (True, False)
    )
    rows = right.transform(X)
    if precision == "float32":
        alone = np.vstack([right.transform([x]) for x in X])
        np.testing.assert_allclose(rows, alone, rtol=0, atol=1e-5)
    # Sounds that are alike do not look as if they were mixed.
    right.transform([X[0]] * 8)
    with pytest.raises(
        ValueError, match="by Folded .*rows of its input for . items are not"
    ):
        wrong.transform(X)


@pytest.mark.parametrize("n_silent", [3, 8])
def test_what_is_silent_does_not_tell(n_silent):
    silence = [(np.zeros(8000, np.float32), 16_000)] * n_silent
    torch.manual_seed(0)
    right, wrong = (
        fungi(AudioBackbone(Folded(first), n_mels=16), "head").fit(sounds(6))
        for first in (True, False)
    )
    right.transform(silence + sounds(12))
    with pytest.raises(ValueError, match="by Folded"):
        wrong.transform(silence + sounds(12))


@pytest.mark.parametrize("descending", [False, True])
def test_items_that_are_sorted(descending):
    """The first of them may be in its place."""
    noise = np.random.default_rng(0).standard_normal((12, 8000)).astype(np.float32)
    louder = np.linspace(0.1, 1, 12, dtype=np.float32)[:, None]
    if descending:  # but for two in the middle
        louder = louder[::-1][[0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11]]
    X = [(row, 16_000) for row in noise * louder]
    fitted = fungi(AudioBackbone(Sorted(), n_mels=16), "head")
    fitted.set_params(batch_size=12).fit(X)
    with pytest.raises(ValueError, match="by Sorted .*items are sorted"):
        fitted.transform(X)


def test_xlnet(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.XLNetConfig(
        vocab_size=len(tokenizer()), d_model=24, n_layer=2, n_head=2, d_inner=40
    )
    folder = save_model(tmp_path)
    transformers.XLNetModel(config).save_pretrained(folder)
    fitted = fungi(TextBackbone(folder)).fit(texts(6))
    with pytest.raises(ValueError, match="by XLNetModel"):
        fitted.transform(texts(6))
