"""Which layer "auto" takes, which may be named, and what is refused."""

import pytest
import timm
import torch
from torch import nn

from skknn.gradients._layer_choice import candidates, choose_layer
from skknn.gradients._outer_products import gradient_size


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vit_small_patch16_224", "blocks.11.attn.proj"),
        ("vit_base_patch16_siglip_224", "blocks.11.attn.proj"),
        ("deit_tiny_distilled_patch16_224", "blocks.11.attn.proj"),
        ("swin_tiny_patch4_window7_224", "layers.3.blocks.1.attn.proj"),
        ("tf_efficientnet_lite0", "conv_head"),
        ("efficientnet_b0", "conv_head"),
        ("mobilenetv3_large_100", "conv_head"),
        ("resnet50", "layer4.2.conv3"),
        ("seresnet50", "layer4.2.conv3"),
        ("resnet18", "layer4.0.downsample.0"),
        ("convnext_tiny", "stages.3.blocks.2.mlp.fc2"),
        ("regnety_002", "s4.b7.conv3.conv"),
    ],
)
def test_auto(name, layer):
    # Without weights where that can be: building regnety needs operations that not
    # every version of torch has without.
    with torch.device("cpu" if "regnet" in name else "meta"):
        module = timm.create_model(name, num_classes=0)
    assert choose_layer(module) == layer
    assert choose_layer(module, layer) == layer


def test_auto_passes_over_projections_that_are_never_called():
    """torch's own attention reads its output projection's weight."""
    block = nn.TransformerEncoderLayer(8, 2, 16)
    assert choose_layer(nn.Sequential(block)) == "0.linear2"
    assert choose_layer(block, "self_attn.out_proj") == "self_attn.out_proj"


def test_depthwise_and_normalised_convolutions_are_no_candidates():
    module = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4),
        timm.layers.StdConv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 8, 1),
    )
    assert candidates(module) == ["3"]
    for name in "012":
        with pytest.raises(ValueError, match=f"layer='{name}' is a .*Layers.*: 3"):
            choose_layer(module, name)


def test_nothing_to_choose():
    with pytest.raises(ValueError, match="found neither.*be chosen: 0"):
        choose_layer(nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(ValueError, match="be chosen: none"):
        choose_layer(nn.ReLU())


def test_sizes():
    assert gradient_size(nn.Linear(5, 3)) == (3, 6)
    assert gradient_size(nn.Linear(5, 3, bias=False)) == (3, 5)
    assert gradient_size(nn.Conv2d(5, 3, 2)) == (3, 21)
