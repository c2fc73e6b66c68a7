"""What learns, and in which mode it is meanwhile."""

import numpy as np
import pytest
import timm
import torch
from finetuning_examples import TinyNetwork, labelled_images, tiny

from skknn.finetuning._trainable import TrainableParts

X, Y = labelled_images(12)
RESNET = timm.create_model("test_resnet", num_classes=0)
VIT = timm.create_model("test_vit", num_classes=0)


def learning(module, trainable):
    return TrainableParts(module, trainable, "frozen").names


def all_names(module):
    return [name for name, _ in module.named_parameters()]


def test_all_and_none():
    assert learning(RESNET, "all") == all_names(RESNET)
    assert learning(RESNET, 0) == []


def test_last_blocks_and_what_follows_them():
    expected = [n for n in all_names(RESNET) if n.startswith(("layer3.", "layer4."))]
    assert expected and learning(RESNET, 2) == expected
    last = f"blocks.{len(VIT.blocks) - 1}."
    expected = [
        name
        for name in all_names(VIT)
        if name.startswith((last, "norm.", "fc_norm.", "head."))
    ]
    assert learning(VIT, 1) == expected
    assert any(name.startswith(("norm.", "fc_norm.")) for name in expected)
    assert "cls_token" not in learning(VIT, len(VIT.blocks))


def test_parts_by_name():
    found = learning(VIT, ["blocks.0.attn", "cls_token"])
    assert found[0] == "cls_token"
    assert all(name.startswith("blocks.0.attn.") for name in found[1:])
    assert len(found) > 3
    assert learning(RESNET, "layer1") == learning(RESNET, ["layer1"])
    # A name is no prefix of others.
    assert not any(name.startswith("bn1") for name in learning(RESNET, ["conv1"]))


@pytest.mark.parametrize(
    "trainable, message",
    [(99, "99: the backbone has 4 blocks"), (["layer9"], "Did you mean 'layer")],
)
def test_what_there_is_not(trainable, message):
    with pytest.raises(ValueError, match=message):
        learning(RESNET, trainable)


@pytest.mark.parametrize("batch_norm", ["frozen", "update"])
def test_modes(batch_norm):
    module = timm.create_model("test_resnet", num_classes=0)
    parts = TrainableParts(module, 1, batch_norm)
    parts.start_learning()
    assert module.layer4.training and not module.layer3.training
    norms = [m for m in module.layer4.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(m.training == (batch_norm == "update") for m in norms)
    needed = [n for n, p in module.named_parameters() if p.requires_grad]
    assert needed == parts.names
    parts.stop_learning()
    assert not any(m.training for m in module.modules())
    assert not any(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("trainable", [0, 1, ["first"], "all"])
def test_nothing_else_is_changed_by_fit(trainable):
    module = TinyNetwork()
    model = tiny(backbone=module, trainable=trainable, weight_decay=0.1).fit(X, Y)
    changed = {
        name
        for (name, a), b in zip(
            module.named_parameters(), model.backbone_.module.parameters()
        )
        if (a != b).any()
    }
    assert changed == set(learning(module, trainable))


@pytest.mark.parametrize("batch_norm", ["frozen", "update"])
def test_statistics_of_batch_normalisations(batch_norm):
    module = TinyNetwork(batch_norm=True)
    model = tiny(backbone=module, batch_norm=batch_norm).fit(X, Y)
    before, after = module.norm, model.backbone_.module.norm
    same = torch.equal(before.running_mean, after.running_mean)
    assert same == (batch_norm == "frozen")
    assert not torch.equal(before.weight, after.weight)


def test_a_last_batch_of_one_row_has_company():
    module = TinyNetwork(batch_norm=True)
    model = tiny(backbone=module, batch_norm="update", batch_size=11).fit(X, Y)
    assert np.isfinite([epoch["loss"] for epoch in model.history_]).all()


def test_steps_of_one_image_have_no_statistics():
    settings = {"backbone": "test_resnet", "weights": None, "batch_size": 1}
    with pytest.raises(ValueError, match="batch_norm='update' and batch_size=1: .* 12"):
        tiny(**settings, trainable=1, batch_norm="update").fit(X, Y)
