"""The fused copy: the same rows, and never in the way."""

import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn

from skknn import BackboneEmbedder
from skknn.backbones import module_digest
from skknn.backbones._connections import connections
from skknn.backbones._fuse import fuse_batch_norm
from skknn.backbones._fused_copy import fused_copy
from skknn.backbones._prepack import PrepackedConv2d, PrepackedLinear, can_prepack

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def forward(module, x):
    return module(x)


def with_real_statistics(module, x):
    """Give the normalisations of a random network something to do."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(generator=generator)
    return module.eval().requires_grad_(False)


def state_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


MODELS = {
    "test_resnet": nn.BatchNorm2d,
    "test_efficientnet": nn.BatchNorm2d,
    "mobilenetv3_small_050": nn.BatchNorm2d,
    "resnetv2_50": nn.BatchNorm2d,  # normalisation before the convolution
    "test_vit": nn.LayerNorm,
    "test_convnext": nn.LayerNorm,
}


@pytest.mark.parametrize("name", MODELS)
def test_same_rows_and_the_module_is_left_alone(name):
    params = {"layers": (1, 1, 1, 1)} if name == "resnetv2_50" else {}
    module = timm.create_model(name, num_classes=0, **params)
    x = torch.rand(
        1, 3, 96 if "vit" not in name else 160, 96 if "vit" not in name else 160
    )
    module = with_real_statistics(module, x)
    before, kinds = state_of(module), [type(m) for m in module.modules()]
    fused = fused_copy(module, forward, x)
    assert [type(m) for m in module.modules()] == kinds
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[key])
    fresh = torch.rand(2, *x.shape[1:])
    with torch.inference_mode():
        expected, found = module(fresh), fused(fresh)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if can_prepack():
        prepacked = [
            m
            for m in fused.modules()
            if isinstance(m, (PrepackedConv2d, PrepackedLinear))
        ]
        assert prepacked


def test_normalisations_are_fused_away():
    x = torch.rand(1, 3, 64, 64)
    module = timm.create_model("test_resnet", num_classes=0)
    module = with_real_statistics(module, x)
    fused = fused_copy(module, forward, x)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())


def test_what_must_be_kept_is_kept():
    x = torch.rand(1, 3, 64, 64)
    module = with_real_statistics(timm.create_model("test_resnet", num_classes=0), x)
    name = "layer4.0.conv2"
    fused = fused_copy(module, forward, x, keep=(name,))
    kept = fused.get_submodule(name)
    assert type(kept) is nn.Conv2d
    assert torch.equal(kept.weight, module.get_submodule(name).weight)
    assert isinstance(fused.get_submodule("layer4.0.bn2"), nn.BatchNorm2d)


class SharedOutput(nn.Module):
    """A convolution whose output is used with and without its normalisation."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y).mean((2, 3))


class SharedNorm(SharedOutput):
    """One normalisation after two runs of one convolution."""

    def forward(self, x):
        return (self.norm(self.conv(x)) * self.norm(self.conv(x * 2))).mean((2, 3))


class AddsInPlace(nn.Module):
    """The activation's input is the convolution's output, changed in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()

    def forward(self, x):
        y = self.conv(x)
        y += x
        return self.act(y).mean((2, 3))


@pytest.mark.parametrize("kind", [SharedOutput, SharedNorm, AddsInPlace])
def test_modules_that_cannot_be_fused_give_right_rows(kind):
    torch.manual_seed(0)
    x = torch.randn(1, 3, 8, 8)
    module = with_real_statistics(kind(), x)
    fused = fused_copy(module, forward, x)
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), module(x), rtol=1e-5, atol=1e-6)
    if kind is not AddsInPlace:
        assert any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
        blind = copy.deepcopy(module)
        if kind is SharedOutput:
            # Without the comparison the fusion would have been wrong.
            fuse_batch_norm(blind, forward, x)
            assert not torch.allclose(blind(x), module(x))


def test_connections_are_what_feeds_what():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Flatten())
    with torch.no_grad():
        pairs, shapes = connections(
            net, forward, torch.rand(1, 3, 5, 6), (nn.Conv2d,), (nn.ReLU,)
        )
    assert pairs == [("0", "1")]
    assert shapes == {"0": (1, 3, 5, 6), "2": (1, 4, 5, 6)}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def fitted(**kwargs):
    return BackboneEmbedder(
        "test_resnet",
        weights=None,
        random_state=0,
        device="cpu",
        image_size=64,
        **kwargs,
    ).fit(PHOTOS)


def test_hooks_of_the_user_see_every_image():
    embedder = fitted()
    expected = embedder.transform(PHOTOS)
    seen = []
    handle = embedder.backbone_.module.layer2.register_forward_hook(
        lambda module, args, output: seen.append(len(output))
    )
    rows = embedder.transform(PHOTOS)
    assert sum(seen) == 3
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    handle.remove()
    np.testing.assert_array_equal(embedder.transform(PHOTOS), expected)


def test_a_replaced_forward_is_called():
    embedder = fitted()
    embedder.backbone_.module.forward = lambda x: torch.ones(len(x), 2)
    np.testing.assert_array_equal(embedder.transform(PHOTOS), np.ones((3, 2)))


def test_changed_weights_are_used():
    embedder = fitted()
    before = embedder.transform(PHOTOS)
    digest = module_digest(embedder.backbone_.module)
    embedder.backbone_.module.conv1[0].weight.mul_(1.5)
    assert module_digest(embedder.backbone_.module) != digest
    after = embedder.transform(PHOTOS)
    assert np.abs(after - before).max() > 1e-3
    with torch.inference_mode():
        extractor = embedder.backbone_
        x = torch.stack([extractor.prepare(i) for i in _images()])
        expected = extractor.module(extractor.normalize(x)).numpy()
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


def _images():
    from PIL import Image

    return [Image.fromarray(array) for array in PHOTOS]


def test_the_number_of_torch_threads_is_given_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        fitted(n_jobs=3).transform(PHOTOS)
        assert torch.get_num_threads() == 2
        found = []
        import threading

        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert found == [2]
    finally:
        torch.set_num_threads(before)


def test_a_bf16_copy_shares_nothing_that_is_converted():
    module = timm.create_model("test_vit", num_classes=0).eval().requires_grad_(False)
    before = module_digest(module)
    x = torch.zeros(1, 3, 160, 160)
    copied = fused_copy(module, lambda m, x: m(x), x, torch.bfloat16)
    assert next(copied.parameters()).dtype is torch.bfloat16
    assert next(module.parameters()).dtype is torch.float32
    assert module_digest(module) == before
