"""An answer is read back only where another run would give the same."""

import numpy as np
import pytest
import torch
from photo_folders import TINY, photo, save_photo
from PIL import Image

from skknn import BackboneEmbedder, classify_folder


class Again(Exception):
    """Features are computed again."""


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        save_photo(tmp_path / "photos" / "blue" / f"{i}.png", "blue", i)
        save_photo(tmp_path / "photos" / "red" / f"{i}.png", "red", 100 + i)
    return tmp_path / "photos"


def forbid_features(monkeypatch):
    def fit(*args, **more):
        raise Again

    monkeypatch.setattr(BackboneEmbedder, "fit", fit)


def test_other_weights_in_the_same_file(folder, tmp_path, monkeypatch):
    import timm

    network = timm.create_model("test_resnet", pretrained=False)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    settings = {**TINY, "weights": str(tmp_path / "weights.pth")}
    first = classify_folder(folder, output=tmp_path / "out", **settings)
    forbid_features(monkeypatch)
    again = classify_folder(folder, output=tmp_path / "out", **settings)
    np.testing.assert_array_equal(
        first.training["probability"], again.training["probability"]
    )
    with torch.no_grad():
        for values in network.parameters():
            values += 1
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(Again):
        classify_folder(folder, output=tmp_path / "out", **settings)


def test_a_photo_that_can_be_read_by_now(folder, tmp_path, monkeypatch):
    """As when a plugin of its format was installed, or reading it was allowed."""
    photo("red", 50).save(folder / "red" / "3.bmp")
    with monkeypatch.context() as patch:
        patch.setattr(Image, "ID", [name for name in Image.ID if name != "BMP"])
        first = classify_folder(folder, output=tmp_path / "out", **TINY)
        assert first.skipped["file"].tolist() == ["red/3.bmp"]
        forbid_features(patch)
        classify_folder(folder, output=tmp_path / "out", **TINY)  # still not
    again = classify_folder(folder, output=tmp_path / "out", **TINY)
    assert len(again.training) == 7 and len(again.skipped) == 0


def test_a_single_photo_of_its_class_is_no_change(folder, tmp_path, monkeypatch):
    save_photo(folder / "lonely" / "only.png", "green", 50)
    classify_folder(folder, output=tmp_path / "out", **TINY)
    forbid_features(monkeypatch)
    again = classify_folder(folder, output=tmp_path / "out", **TINY)
    assert again.skipped["file"].tolist() == ["lonely/only.png"]
