"""Rows of every family against timm's own preprocessing and model code."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from skknn import BackboneEmbedder

# name -> (timm name, extra arguments, image size, number of prefix tokens)
FAMILIES = {
    "ViT, class token": ("test_vit", {}, 64, 1),
    "ViT, class token and registers": ("test_vit", {"reg_tokens": 3}, 64, 4),
    "ViT, registers, mean": ("test_vit2", {}, 64, 1),
    "ViT, registers, attention pooling": ("test_vit3", {}, 64, 1),
    "ViT, class token but mean": ("test_vit", {"global_pool": "avg"}, 64, 1),
    "DeiT, distilled": (
        "deit_tiny_distilled_patch16_224",
        {"embed_dim": 24, "depth": 2, "num_heads": 2},
        64,
        2,
    ),
    "Swin": (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 16, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 4, 8)},
        224,
        0,
    ),
    "ConvNeXt": ("test_convnext", {}, 64, 0),
    "ResNet": ("test_resnet", {}, 64, 0),
    "EfficientNet": ("test_efficientnet", {}, 64, 0),
    "MobileViT": ("mobilevit_xxs", {}, 64, 0),
    "MobileNetV3, head of its own": ("mobilenetv3_small_050", {}, 64, 0),
}
family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="module")
def photos():
    return [
        Image.fromarray(load_sample_image("china.jpg")),
        Image.fromarray(load_sample_image("flower.jpg")).crop((100, 50, 260, 350)),
    ]


def embedder(name, **kwargs):
    backbone, params, size, _ = FAMILIES[name]
    settings = {
        "backbone_params": params,
        "image_size": size,
        "weights": None,
        "random_state": 0,
        "device": "cpu",
    }
    return BackboneEmbedder(backbone, **settings | kwargs)


def reference(name, fitted, photos):
    """timm's model with the same tensors, and its input by timm's own transform."""
    backbone, params, size, _ = FAMILIES[name]
    module = timm.create_model(backbone, num_classes=0, **params).eval()
    config = timm.data.resolve_model_data_config(module)
    config["input_size"] = (3, size, size)
    if hasattr(module, "set_input_size"):
        module.set_input_size(img_size=(size, size))
    module.load_state_dict(fitted.backbone_.module.state_dict(), strict=True)
    transform = timm.data.create_transform(**config, is_training=False)
    return module, torch.stack([transform(photo) for photo in photos])


def feature_map(name, module, x):
    """The last feature map as (n, C, positions), and the prefix tokens."""
    n_prefix = FAMILIES[name][3]
    features = module.forward_features(x)
    if features.ndim == 3:
        return features[:, n_prefix:].mT, features[:, :n_prefix]
    if name == "Swin":
        features = features.permute(0, 3, 1, 2)
    return features.flatten(2), None


@family
def test_auto_is_the_models_own_row(name, photos):
    fitted = embedder(name).fit(photos)
    module, x = reference(name, fitted, photos)
    with torch.inference_mode():
        expected = module(x).numpy()
    rows = fitted.transform(photos)
    assert rows.dtype == np.float32 and rows.flags.c_contiguous
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    # The two photos differ, so that the comparison says something.
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert len(fitted.get_feature_names_out()) == rows.shape[1]


@family
@pytest.mark.parametrize("pooling", ["avg", "max", "gem", "flatten"])
def test_pooling_over_positions(name, pooling, photos):
    fitted = embedder(name, pooling=pooling).fit(photos)
    module, x = reference(name, fitted, photos)
    with torch.inference_mode():
        positions = feature_map(name, module, x)[0].double().numpy()
    expected = {
        "avg": lambda p: p.mean(2),
        "max": lambda p: p.max(2),
        "gem": lambda p: (np.maximum(p, 1e-6) ** 3).mean(2) ** (1 / 3),
        "flatten": lambda p: p.reshape(2, -1),
    }[pooling](positions)
    found = fitted.transform(photos)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@family
def test_token(name, photos):
    fitted = embedder(name, pooling="token")
    if "class token" not in name and "DeiT" not in name:
        with pytest.raises(
            ValueError, match="pooling='token' needs a class token.*avg"
        ):
            fitted.fit(photos)
        return
    module, x = reference(name, fitted.fit(photos), photos)
    with torch.inference_mode():
        expected = feature_map(name, module, x)[1][:, 0].numpy()
    np.testing.assert_allclose(fitted.transform(photos), expected, rtol=1e-4, atol=1e-5)


@family
def test_layers_by_number_and_by_name(name, photos):
    """The output of an earlier block, kept by a hook on a plain run."""
    fitted = embedder(name, layer=0, pooling="avg").fit(photos)
    module, x = reference(name, fitted, photos)
    layer = fitted.backbone_.layer
    seen = []
    module.get_submodule(layer).register_forward_hook(
        lambda m, a, out: seen.append(out)
    )
    with torch.inference_mode():
        module(x)
    features = seen[0]
    if features.ndim == 3:
        features = features[:, FAMILIES[name][3] :].mT
    elif name == "Swin":
        features = features.permute(0, 3, 1, 2).flatten(2)
    else:
        features = features.flatten(2)
    expected = features.mean(2).numpy()
    np.testing.assert_allclose(fitted.transform(photos), expected, rtol=1e-4, atol=1e-5)
    by_name = embedder(name, layer=layer, pooling="avg").fit(photos)
    np.testing.assert_array_equal(by_name.transform(photos), fitted.transform(photos))
    assert not any(m._forward_hooks for m in fitted.backbone_.module.modules())


@family
def test_bf16_stays_near(name, photos, bf16):
    exact = embedder(name).fit(photos).transform(photos)
    rows = embedder(name, precision=bf16).fit_transform(photos)
    assert rows.dtype == np.float32
    error = np.linalg.norm(rows - exact) / np.linalg.norm(exact)
    assert 1e-6 < error < 0.05


def test_position_embeddings_are_resampled(photos):
    """A larger image than the weights were made for."""
    small = BackboneEmbedder("test_vit", weights=None, random_state=0).fit(photos)
    large = BackboneEmbedder(
        "test_vit", weights=None, random_state=0, image_size=(192, 224)
    ).fit(photos)
    tokens = small.backbone_.module.pos_embed.shape[1]
    assert large.backbone_.module.pos_embed.shape[1] == 1 + 12 * 14 != tokens
    assert large.backbone_.data_config["input_size"] == (3, 192, 224)
    a, b = small.transform(photos), large.transform(photos)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert (cosine > 0.9).all() and (cosine < 1).all()


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="image_size="):
        BackboneEmbedder("test_vit", weights=None, image_size=(3, 4, 5)).fit(
            [np.eye(9)]
        )
    with pytest.raises(ValueError, match="image_size"):
        BackboneEmbedder("test_vit", weights=None, image_size=7).fit_transform(
            [np.eye(9)]
        )


@pytest.mark.parametrize("layer", ["nothing", 99, -99])
def test_wrong_layers_list_the_right_ones(layer):
    with pytest.raises(ValueError, match=rf"layer={layer!r}.*layer1, layer2, layer3"):
        BackboneEmbedder("test_resnet", weights=None, layer=layer).fit([np.eye(9)])


def test_a_near_miss_is_named():
    with pytest.raises(ValueError, match="Did you mean .*'blocks.1'"):
        BackboneEmbedder("test_vit", weights=None, layer="block.1").fit([np.eye(9)])


def test_negative_layers_count_from_the_end():
    fitted = BackboneEmbedder("test_resnet", weights=None, layer=-1).fit([np.eye(9)])
    assert fitted.backbone_.layer == "layer4"


def test_auto_pooling_of_a_layer_is_its_class_token_or_the_mean(photos):
    def rows(backbone, pooling):
        return BackboneEmbedder(
            backbone,
            weights=None,
            random_state=0,
            layer=1,
            pooling=pooling,
            image_size=64,
        ).fit_transform(photos)

    np.testing.assert_array_equal(rows("test_vit", "auto"), rows("test_vit", "token"))
    np.testing.assert_array_equal(
        rows("test_resnet", "auto"), rows("test_resnet", "avg")
    )


def test_unknown_names_suggest_near_ones():
    with pytest.raises(ValueError, match="backbone='resnet81'.*resnet18"):
        BackboneEmbedder("resnet81").fit([np.eye(9)])
    with pytest.raises(ValueError, match="num_classes"):
        BackboneEmbedder("test_resnet", backbone_params={"num_classes": 3}).fit(
            [np.eye(9)]
        )
