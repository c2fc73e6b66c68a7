"""Weights from folders and files of unknown origin: no code, no mixed-up weights."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from skknn.backbones import load_backbone
from skknn.backbones._weights import no_code_from_files, read_state_dict


class Harmful:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (Path.touch, (Path(self.marker),))


def model_folder(folder, seed, file="model.safetensors", **config):
    """Write a folder as timm's save_for_hf does; return the module."""
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    module = timm.create_model("test_resnet", num_classes=7)
    folder.mkdir(exist_ok=True)
    described = {"architecture": "test_resnet", "num_classes": 7, "pretrained_cfg": {}}
    (folder / "config.json").write_text(json.dumps(described | config))
    state = {name: t.contiguous() for name, t in module.state_dict().items()}
    if file.endswith(".safetensors"):
        save_file(state, folder / file)
    else:
        torch.save(state, folder / file)
    return module.eval()


def same(module, other):
    a, b = module.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "file", ["model.safetensors", "pytorch_model.bin", "last_epoch.pth"]
)
def test_a_folder_with_config_and_weights(file, tmp_path):
    expected = model_folder(tmp_path / "m", 3, file)
    module = load_backbone(f"local-dir:{tmp_path / 'm'}")
    assert module.num_classes == 0
    assert same(module, expected)
    random = load_backbone(f"local-dir:{tmp_path / 'm'}", weights=None)
    assert not same(random, expected)


def test_a_folder_whose_description_says_its_own_size(tmp_path):
    model_folder(tmp_path / "m", 3, pretrained_cfg={"input_size": [3, 96, 96]})
    module = load_backbone(f"local-dir:{tmp_path / 'm'}")
    assert tuple(module.pretrained_cfg["input_size"]) == (3, 96, 96)


def test_a_folder_that_lacks_weights_or_has_others(tmp_path):
    model_folder(tmp_path / "m", 3)
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="local-dir:.*no weights.*weights=None"):
        load_backbone(f"local-dir:{tmp_path / 'm'}")
    torch.save(
        timm.create_model("test_efficientnet").state_dict(),
        tmp_path / "m" / "pytorch_model.bin",
    )
    with pytest.raises(ValueError, match="pytorch_model.bin' do not fit"):
        load_backbone(f"local-dir:{tmp_path / 'm'}")


def test_files_that_change_under_their_folder(tmp_path):
    for seed in (3, 4):
        expected = model_folder(tmp_path / "m", seed)
        assert same(load_backbone(f"local-dir:{tmp_path / 'm'}"), expected)


def test_relative_folders_are_those_of_the_moment(tmp_path, monkeypatch):
    for seed, where in enumerate(("a", "b")):
        (tmp_path / where).mkdir()
        expected = model_folder(tmp_path / where / "m", seed)
        monkeypatch.chdir(tmp_path / where)
        assert same(load_backbone("local-dir:m"), expected)


def test_a_checkpoint_among_the_parameters_is_a_weight_file(tmp_path):
    for seed in (3, 4):
        expected = model_folder(tmp_path / "m", seed, "w.pth")
        params = {"checkpoint_path": tmp_path / "m" / "w.pth"}
        module = load_backbone("test_resnet", backbone_params=params)
        assert same(module, expected)
    with pytest.raises(ValueError, match="name two files"):
        load_backbone("test_resnet", weights="a.pth", backbone_params=params)


@pytest.mark.parametrize(
    "params",
    [
        {"pretrained": True},
        {"pretrained_cfg_overlay": {"file": "w.pth"}},
        {"pretrained_cfg": {"hf_hub_id": "a/b", "architecture": "test_resnet"}},
    ],
)
def test_other_ways_to_name_weights_are_refused(params):
    with pytest.raises(ValueError, match="weights='path/to/file'"):
        load_backbone("test_resnet", backbone_params=params)


def malicious_file(path, marker):
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state | {"harm": Harmful(marker)}, path)
    return path


@pytest.mark.parametrize("way", ["folder", "checkpoint_path", "weights"])
def test_code_in_a_file_is_not_run(way, tmp_path):
    marker = tmp_path / "was run"
    model_folder(tmp_path / "m", 0)
    (tmp_path / "m" / "model.safetensors").unlink()
    path = malicious_file(tmp_path / "m" / "pytorch_model.bin", marker)
    with pytest.raises(ValueError, match="pytorch_model.bin.*cannot be read"):
        if way == "folder":
            load_backbone(f"local-dir:{path.parent}")
        elif way == "weights":
            load_backbone("test_resnet", weights=path)
        else:
            load_backbone("test_resnet", backbone_params={"checkpoint_path": path})
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the file was harmless"


@pytest.mark.parametrize("opposite", [None, "1"])
def test_code_in_a_downloaded_file_is_not_run(opposite, tmp_path, monkeypatch):
    """Whatever timm asks of torch."""
    from skknn.backbones import _load

    marker = tmp_path / "was run"
    path = malicious_file(tmp_path / "hub.bin", marker)
    if opposite is not None:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", opposite)

    def old_timm(*args, **kwargs):
        torch.load(path, weights_only=False)

    monkeypatch.setattr(timm, "create_model", old_timm)
    monkeypatch.setattr(_load, "check_downloadable", lambda *args: None)
    with pytest.raises(OSError, match="WeightsUnpickler|weights_only|Weights only"):
        load_backbone("hf-hub:someone/something")
    assert not marker.exists()
    assert os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD") == opposite
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_the_switch_is_set_back_after_an_error(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")
    with pytest.raises(KeyError), no_code_from_files():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
        raise KeyError
    assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "0"


@pytest.mark.parametrize("state", [{3: torch.zeros(2)}, {("a", 1): torch.zeros(2)}])
def test_a_checkpoint_without_names(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="w.pth.*among its keys"):
        read_state_dict(tmp_path / "w.pth")


def test_a_model_that_is_registered_again_under_its_name():
    from timm.models import _registry

    kept = load_backbone("test_resnet", weights=None)
    original = _registry._model_entrypoints["test_resnet"]

    def other(pretrained=False, **kwargs):
        module = original(pretrained=pretrained, **kwargs)
        with torch.no_grad():
            module.conv1[0].weight.zero_()
        return module

    _registry._model_entrypoints["test_resnet"] = other
    try:
        again = load_backbone("test_resnet", weights=None)
    finally:
        _registry._model_entrypoints["test_resnet"] = original
    assert not same(again, kept)
    assert same(load_backbone("test_resnet", weights=None), kept)


def test_parameters_that_print_alike():
    """Only plain parameters name a module that is kept."""

    class Norm(torch.nn.BatchNorm2d):
        bias_value = 0.0

        def __init__(self, *args, **kwargs):
            super().__init__(args[0])
            torch.nn.init.constant_(self.bias, Norm.bias_value)

    found = []
    for value in (0.0, 2.0):
        Norm.bias_value = value
        module = load_backbone(
            "resnet18", weights=None, backbone_params={"norm_layer": Norm}
        )
        found.append(float(module.bn1.bias[0].detach()))
    np.testing.assert_array_equal(found, [0.0, 2.0])
