"""Results say what made them, where they cannot be read."""

import json
import subprocess
import sys

import pytest
from photo_folders import TINY, save_photo

from skknn import classify_folder
from skknn.folders import FolderAnswer


@pytest.fixture
def results(tmp_path):
    """A folder of photos and one of results."""
    for i in range(3):
        save_photo(tmp_path / "photos" / "blue" / f"{i}.png", "blue", i)
        save_photo(tmp_path / "photos" / "red" / f"{i}.png", "red", 100 + i)
    out = tmp_path / "out"
    classify_folder(tmp_path / "photos", output=out, **TINY)
    return out


def change_settings(out, **changes):
    file = out / "settings.json"
    told = json.loads(file.read_text())
    versions = changes.pop("versions", {})
    told |= changes
    told["versions"] |= versions
    file.write_text(json.dumps(told))


def test_another_format_is_not_tried(results):
    change_settings(results, format=99, versions={"skknn": "7.1.0"})
    (results / "answer.joblib").write_bytes(b"would raise something else")
    with pytest.raises(ValueError, match=r"of format 99.*format 1.*skknn 7\.1\.0"):
        FolderAnswer.load(results)
    photos = results.parent / "photos"
    command = [sys.executable, "-m", "skknn", "predict", results, photos]
    told = subprocess.run(
        [*map(str, command), "--out", str(results.parent / "more.csv")],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1 and "Traceback" not in told.stderr
    assert "Install the version of skknn that made them" in told.stderr
    # Made again, it is of this format.
    again = classify_folder(photos, output=results, **TINY)
    assert len(FolderAnswer.load(results).training) == len(again.training) == 6


def test_files_that_cannot_be_loaded_name_the_versions_that_differ(results):
    change_settings(results, versions={"scikit-learn": "0.1", "python": "2.7"})
    (results / "model.joblib").write_bytes(b"\x80\x04no pickle")
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        FolderAnswer.load(results)
    assert "python 2.7 (here 3." in str(caught.value)
    assert "scikit-learn 0.1 (here 1." in str(caught.value)
    assert "numpy" not in str(caught.value)


def test_damaged_files_of_the_same_versions_are_called_damaged(results):
    (results / "model.joblib").write_bytes(b"\x80\x04no pickle")
    with pytest.raises(ValueError, match="installed here: its files are damaged"):
        FolderAnswer.load(results)
    (results / "settings.json").write_text("[1, 2")
    with pytest.raises(ValueError, match="versions that nobody wrote down"):
        FolderAnswer.load(results)
