"""Mask files are read as image files are: neither devices nor bombs, first frames."""

import os

import numpy as np
import pytest
from PIL import Image

from skknn import InContextSegmenter

MAPS = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("f4")
LABELS = (np.arange(64).reshape(8, 8) % 3).astype(np.uint8)


def fit(mask):
    return InContextSegmenter(None, n_neighbors=1, random_state=0).fit(MAPS, [mask])


def test_a_bomb(tmp_path, monkeypatch):
    path = tmp_path / "mask.png"
    Image.fromarray(LABELS).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    with pytest.raises(ValueError, match="mask.png.*decompression bomb"):
        fit(path)
    with Image.open(path) as opened, pytest.raises(ValueError, match="Mask 0.*bomb"):
        fit(opened)


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_a_file_that_is_too_large_is_not_read(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"mask{suffix}"
    with open(path, "wb") as file:
        file.truncate(10_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="Mask 0.*10000 bytes"):
        fit(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_a_pipe_is_not_waited_for(suffix, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / f"mask{suffix}").symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match="Mask 0.*not a regular file"):
        fit(tmp_path / f"mask{suffix}")


def test_the_first_frame_of_several(tmp_path):
    frames = [Image.fromarray(np.full_like(LABELS, i)) for i in (1, 2)]
    frames.insert(0, Image.fromarray(LABELS))
    frames[0].save(tmp_path / "m.tif", save_all=True, append_images=frames[1:])
    expected = fit(LABELS).bank_.labels.toarray()
    with Image.open(tmp_path / "m.tif") as opened:
        opened.seek(2)
        np.testing.assert_array_equal(fit(opened).bank_.labels.toarray(), expected)
        assert opened.tell() == 2


def test_arrays_and_files_alike(tmp_path):
    np.save(tmp_path / "m.npy", LABELS)
    Image.fromarray(LABELS).save(tmp_path / "m.png")
    expected = fit(LABELS).bank_.labels.toarray()
    for name in ("m.npy", "m.png"):
        np.testing.assert_array_equal(
            fit(tmp_path / name).bank_.labels.toarray(), expected
        )
