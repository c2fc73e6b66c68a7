"""The quick start on folders that are not as it needs them: one line, no traceback."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "examples" / "quickstart.py"


@pytest.fixture(scope="module")
def quickstart():
    if not SCRIPT.is_file():
        pytest.skip("the examples are not part of the wheel")
    spec = importlib.util.spec_from_file_location("quickstart", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def run(quickstart, folder, monkeypatch):
    """The text that the script leaves with."""
    monkeypatch.setattr("sys.argv", ["quickstart.py", "--images", str(folder)])
    with pytest.raises(SystemExit) as leave:
        quickstart.main()
    return leave.value.code


def fill(folder, **sizes):
    for label, n in sizes.items():
        (folder / label).mkdir()
        for i in range(n):
            Image.new("RGB", (8, 8)).save(folder / label / f"{i}.png")


@pytest.mark.parametrize("content", [None, "predictions.csv"])
def test_a_folder_without_images(quickstart, tmp_path, monkeypatch, content):
    """An empty one, or one with results."""
    fill(tmp_path, cat=4, dog=4, other=0)
    if content:
        (tmp_path / "other" / content).touch()
    said = run(quickstart, tmp_path, monkeypatch)
    assert said.startswith("--images: ") and "\n" not in said
    assert "no images in the sub-folders ['other']. Remove them" in said


def test_no_folder(quickstart, tmp_path, monkeypatch):
    said = run(quickstart, tmp_path / "none", monkeypatch)
    assert "none': no such folder" in said


def test_a_class_with_one_image(quickstart, tmp_path, monkeypatch):
    fill(tmp_path, cat=4, dog=1)
    said = run(quickstart, tmp_path, monkeypatch)
    assert "only one image in ['dog']" in said and "remove the folder" in said


@pytest.mark.parametrize("sizes", [[2, 2, 2, 2], [450, 900, 447]])
def test_each_class_is_in_both_parts(quickstart, sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    train, test = quickstart.draw_split(labels, [str(i) for i in range(len(sizes))])
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels[test]) == set(range(len(sizes)))
    assert len(test) >= len(labels) / 4
