"""A module that its user changes after ``fit`` gives its own rows, not earlier ones."""

import copy
import types
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from skknn import (
    BackboneEmbedder,
    DenseEmbedder,
    FungiTransformer,
    PatchSimCLRObjective,
)

IMAGES = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
KINDS = {
    "embedder": (BackboneEmbedder, {}),
    "maps": (DenseEmbedder, {"image_size": 64, "layer": None}),
    "maps with gradients": (
        DenseEmbedder,
        {
            "image_size": 64,
            "layer": None,
            # Without negatives: those that fit took are of the module as it was.
            "gradients": PatchSimCLRObjective(keep=0.0, n_support=8, head_dim=16),
        },
    ),
    "gradients": (
        FungiTransformer,
        {"objectives": ("kl",), "n_components": None, "projection_dim": 16},
    ),
}


def other_activations(module):
    for part in module.modules():
        for name, child in part.named_children():
            if isinstance(child, nn.ReLU | nn.GELU):
                setattr(part, name, nn.Tanh())


def other_epsilon(module):
    for part in module.modules():
        if isinstance(part, nn.LayerNorm | nn.BatchNorm2d):
            part.eps = 0.3


def tensors_replaced(module):
    for tensor in module.parameters():
        tensor.data = tensor.data * 1.05


def tensors_written_past_their_version(module):
    for tensor in module.parameters():
        tensor.data.mul_(1.05)


def hooked(module):
    for part in module.modules():
        if isinstance(part, nn.ReLU | nn.GELU):
            part.register_forward_hook(lambda part, args, out: out.clamp_max(0.1))


def method_of_its_own(module):
    def features(self, x, **more):
        return type(self).forward_features(self, x, **more).clamp_max(0.1)

    module.forward_features = types.MethodType(features, module)


CHANGES = [
    other_activations,
    other_epsilon,
    tensors_replaced,
    tensors_written_past_their_version,
    hooked,
    method_of_its_own,
]


def difference(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "kind, name",
    [
        ("embedder", "test_resnet"),
        ("embedder", "test_vit"),
        ("maps", "test_resnet"),
        ("maps with gradients", "test_vit"),
        ("gradients", "test_vit"),
    ],
)
def test_a_change_is_seen(kind, name, change, tmp_path):
    make, settings = KINDS[kind]
    settings = {**settings, "random_state": 0, "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make(name, weights=None, memory=tmp_path, **settings).fit(IMAGES)
        before = fitted.transform(IMAGES)
        # Networks that are passed run as they are: no copies, nothing to forget.
        module = copy.deepcopy(fitted.backbone_.module)
        change(module)
        expected = make(module, **settings).fit(IMAGES).transform(IMAGES)
        change(fitted.backbone_.module)
        assert difference(before, expected) > 1e-3
        for memory in (None, tmp_path):
            found = fitted.set_params(memory=memory).transform(IMAGES)
            assert difference(found, expected) < 1e-4


@pytest.mark.parametrize("kind", ["embedder", "maps"])
def test_a_method_that_calls_the_part_it_was_put_on(kind):
    make, settings = KINDS[kind]
    fitted = make("test_vit", weights=None, random_state=0, **settings).fit(IMAGES)
    before = fitted.transform(IMAGES)
    block = fitted.backbone_.module.blocks[0]
    # In a copy it would run the original's layers.
    usual = block.forward
    block.forward = lambda x, *more, **named: usual(x, *more, **named)
    assert difference(fitted.transform(IMAGES), before) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_that_is_changed(kind, tmp_path, monkeypatch):
    make, settings = KINDS[kind]
    settings = {**settings, "memory": tmp_path, "random_state": 0}
    fitted = make("test_vit", weights=None, **settings).fit(IMAGES)
    before = fitted.transform(IMAGES)
    changed = type(fitted.backbone_.module)
    usual = changed._pos_embed
    with monkeypatch.context() as patch:
        patch.setattr(changed, "_pos_embed", lambda self, x: 2 * usual(self, x))
        for memory in (tmp_path, None):
            found = fitted.set_params(memory=memory).transform(IMAGES)
            assert difference(found, before) > 1e-3
    fitted.set_params(memory=tmp_path)
    np.testing.assert_array_equal(fitted.transform(IMAGES), before)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
def test_the_copy_is_kept_while_nothing_is_changed(name, tmp_path):
    embedder = BackboneEmbedder(name, weights=None, random_state=0, memory=tmp_path)
    extractor = embedder.fit(IMAGES).backbone_
    embedder.transform(IMAGES)
    network = extractor.network()
    assert network.module is not extractor.module
    embedder.transform(IMAGES)
    assert extractor.network() is network
    with torch.no_grad():
        next(extractor.module.parameters())[0] *= 2
    assert extractor.network() is not network
