"""Embeddings on a CUDA device against the CPU's."""

import gc

import numpy as np
import pytest
import torch
from fungi_references import FAMILIES, noise_images

from skknn import BackboneEmbedder

pytestmark = pytest.mark.gpu

FIVE = ["efficientnet_lite", "resnet", "convnext", "vit_cls", "swin"]


def embedder(family, **kwargs):
    name, params, size = FAMILIES[family]
    settings = {"weights": None, "random_state": 0, "device": "cuda"}
    return BackboneEmbedder(
        name, backbone_params=params, image_size=size, **settings | kwargs
    )


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("family", FIVE)
@pytest.mark.parametrize("pooling", ["auto", "gem"])
def test_float32_is_float32(family, pooling):
    X, settings = noise_images(9), {"precision": "float32", "pooling": pooling}
    found = embedder(family, **settings).fit_transform(X)
    expected = embedder(family, **settings, device="cpu").fit_transform(X)
    assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("family", FIVE)
def test_bfloat16_is_the_default_and_near(family):
    X = noise_images(9)
    fitted = embedder(family).fit(X)
    assert fitted.backbone_.precision == "bf16"
    rows = fitted.transform(X)
    expected = embedder(family, device="cpu").fit_transform(X)
    assert rows.dtype == np.float32
    assert 1e-6 < relative(rows, expected) < 0.05


def test_layers_and_batches():
    X, settings = noise_images(40), {"layer": 0, "precision": "float32"}
    expected = embedder("resnet", **settings, device="cpu").fit_transform(X)
    for batch_size in (1, 16, "auto"):
        fitted = embedder("resnet", **settings, batch_size=batch_size).fit(X)
        rows = fitted.transform(X)
        assert relative(rows, expected) < 1e-5
        np.testing.assert_array_equal(fitted.transform(X), rows)


def test_a_module_of_ones_own_keeps_its_weights():
    X = noise_images(4)
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
    )
    module.append(torch.nn.Flatten())
    rough = BackboneEmbedder(module, image_size=32, device="cuda").fit(X)
    exact = BackboneEmbedder(module, image_size=32, device="cpu").fit_transform(X)
    assert relative(rough.transform(X), exact) < 0.02
    assert next(rough.backbone_.module.parameters()).dtype is torch.float32


def test_memory_is_given_back():
    X = noise_images(40)
    fitted = embedder("efficientnet_lite").fit(X)
    fitted.transform(X)
    gc.collect()
    kept = torch.cuda.memory_allocated()
    fitted.transform(X)
    gc.collect()
    assert torch.cuda.memory_allocated() == kept
