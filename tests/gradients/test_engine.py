"""What the engine keeps in memory, and how it cuts views into forward passes."""

import numpy as np
import pytest
import torch
from fungi_references import SerialFungi, noise_images
from torch import nn

from skknn import DINOObjective
from skknn.gradients import _engine
from skknn.utils._bfloat16 import cpu_has_bfloat16


class LargeHead(nn.Module):
    """Few activations, and after the chosen layer a weight of 4 MB."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 8, stride=8)
        self.head = nn.Linear(8 * 4 * 4, 8192)

    def forward(self, x):
        return self.head(torch.tanh(self.stem(x)).flatten(1)).tanh()


def large_head():
    torch.manual_seed(0)
    return LargeHead()


def count_forwards(fungi, images):
    """Calls of the layer in a transform, after one that measures what it needs."""
    fungi.transform(images)
    calls = []
    layer = fungi.blocks.engine.layer
    handle = layer.register_forward_pre_hook(lambda *args: calls.append(1))
    fungi.transform(images)
    handle.remove()
    return len(calls)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_weights_are_not_counted_as_kept_by_views(precision, monkeypatch):
    if precision == "bf16" and not cpu_has_bfloat16():
        pytest.skip("no bfloat16 instructions")
    images = noise_images(2)
    fungi = SerialFungi(
        large_head,
        image_size=32,
        layer="stem",
        precision=precision,
        objectives=(DINOObjective(n_local=6, head_dim=8),),
    ).fit(images)
    # Eight views: their activations take a quarter of a megabyte each
    # at most, while the weight and each cast of it takes two or four.
    monkeypatch.setattr(_engine, "_GRAPH_BYTES", 2**20)
    # Two large crops, and six small ones four at a time.
    n_images, n_passes, embedding = 2, 3, 1
    once = n_images * (n_passes + embedding)
    assert count_forwards(fungi, images) == once
    monkeypatch.setattr(_engine, "_GRAPH_BYTES", 0)
    assert count_forwards(fungi, images) == once + n_images * n_passes


def test_more_views_than_a_pass_takes():
    images = noise_images(2)
    settings = {"image_size": 32, "objectives": (DINOObjective(n_local=9),)}
    rows = {
        batch_size: SerialFungi("test_vit", batch_size=batch_size, **settings)
        .fit(images)
        .transform(images)
        for batch_size in (1, 3, 16)
    }
    for found in rows.values():
        np.testing.assert_allclose(found, rows[16], atol=3e-6)
