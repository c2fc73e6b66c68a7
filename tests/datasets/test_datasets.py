"""Class folders -> paths and labels."""

import warnings

import numpy as np
import pytest
from PIL import Image

from skknn.datasets import load_image_folder


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)


def test_classes_are_the_sub_folders(tmp_path):
    make(tmp_path, "dog/b.png", "dog/a.jpg", "cat/z.PNG", "Ant/deep/er/1.bmp")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bunch = load_image_folder(tmp_path)
    assert bunch.target_names == ["Ant", "cat", "dog"]
    assert bunch.data == [
        str(tmp_path / name)
        for name in ("Ant/deep/er/1.bmp", "cat/z.PNG", "dog/a.jpg", "dog/b.png")
    ]
    np.testing.assert_array_equal(bunch.target, [0, 1, 2, 2])
    assert bunch.target.dtype.kind == "i"
    assert load_image_folder(str(tmp_path)).data == bunch.data


def test_other_files_are_counted_in_a_warning(tmp_path):
    make(tmp_path, "cat/1.png", "dog/1.png", "loose.png")
    (tmp_path / "cat" / "notes.txt").write_text("")
    (tmp_path / "labels.csv").write_text("")
    with pytest.warns(UserWarning, match="3 files .* left out") as seen:
        bunch = load_image_folder(tmp_path)
    assert len(seen) == 1 and seen[0].filename == __file__
    assert len(bunch.data) == 2


def test_hidden_files_and_folders_are_none_of_it(tmp_path):
    make(tmp_path, "cat/1.png", "cat/.thumbs/2.png", ".git/3.png")
    (tmp_path / "cat" / ".DS_Store").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bunch = load_image_folder(tmp_path)
    assert bunch.target_names == ["cat"]
    assert len(bunch.data) == 1


def test_order_does_not_depend_on_the_file_system(tmp_path):
    names = [f"{c}/{i}.png" for c in "ba" for i in (10, 2, 1)]
    make(tmp_path, *names)
    data = load_image_folder(tmp_path).data
    assert data == sorted(data)


def test_folders_that_will_not_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="path=.*nowhere.*no such folder"):
        load_image_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="path=.*file.*is a file"):
        load_image_folder(tmp_path / "file")
    (tmp_path / "file").unlink()
    with pytest.raises(ValueError, match="no sub-folders.*path/cat/1.jpg"):
        load_image_folder(tmp_path)
    make(tmp_path, "1.png")
    with pytest.raises(ValueError, match="no sub-folders"):
        load_image_folder(tmp_path)
    make(tmp_path, "cat/1.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.txt").write_text("")
    with pytest.raises(ValueError, match=r"no images in the sub-folders \['dog'\]"):
        load_image_folder(tmp_path)


def test_real_class_folders(photo_data):
    folder = photo_data / "grocery" / "train"
    if not folder.is_dir():
        pytest.skip("no grocery photos")
    bunch = load_image_folder(folder)
    assert len(bunch.data) == 832 and len(bunch.target_names) == 26
    np.testing.assert_array_equal(np.bincount(bunch.target), [32] * 26)
