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


# --- parts of a data set --------------------------------------------------------------


def test_parts_are_numbered_alike_by_classes(tmp_path):
    make(tmp_path, "train/0/a.png", "train/180/a.png", "train/90/a.png")
    make(tmp_path, "test/0/a.png", "test/90/b.png")
    train = load_image_folder(tmp_path / "train")
    test = load_image_folder(tmp_path / "test", classes=train.target_names)
    assert test.target_names == train.target_names == ["0", "180", "90"]
    np.testing.assert_array_equal(test.target, [0, 2])
    # In any order, and as an array.
    test = load_image_folder(tmp_path / "test", classes=np.array(["90", "0", "180"]))
    np.testing.assert_array_equal(test.target, [0, 1])
    assert [path.split("/")[-2] for path in test.data] == ["90", "0"]


def test_names_as_labels_need_no_numbers(tmp_path):
    make(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    bunch = load_image_folder(tmp_path, target="names")
    assert bunch.target.tolist() == ["cat", "dog", "dog"]
    assert bunch.target.dtype.kind == "U"
    some = load_image_folder(tmp_path, classes=["dog", "ant", "cat"], target="names")
    assert some.target.tolist() == ["dog", "dog", "cat"]
    codes = load_image_folder(tmp_path, classes=["dog", "ant", "cat"]).target
    assert np.array(some.target_names)[codes].tolist() == some.target.tolist()
    with pytest.raises(ValueError, match="target='strings'.*'codes' or 'names'"):
        load_image_folder(tmp_path, target="strings")


@pytest.mark.parametrize("classes", ["cat", [], ["cat", "cat"], [0, 1], [None]])
def test_classes_that_are_no_names(classes, tmp_path):
    make(tmp_path, "cat/1.png")
    with pytest.raises(ValueError, match="classes=.*list of the names"):
        load_image_folder(tmp_path, classes=classes)


def test_folders_that_classes_do_not_name(tmp_path):
    make(tmp_path, "cat/1.png", "eel/1.png", "dog/1.png")
    with pytest.raises(ValueError, match=r"\['eel'\].*classes=\['cat', 'dog'\]"):
        load_image_folder(tmp_path, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="sub-folders.*does not name"):
        load_image_folder(tmp_path, classes=["Cat", "dog", "eel"])


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "test"),
        ("train", "val", "test"),
        ("Training", "Validation"),
        ("train",),
        ("test", "valid"),
        ("train", "test", "extra"),
    ],
)
def test_the_root_of_the_parts_is_no_class_folder(parts, tmp_path):
    make(tmp_path, *(f"{part}/cat/1.png" for part in parts))
    with pytest.raises(ValueError, match="parts of a data set") as error:
        load_image_folder(tmp_path)
    message = str(error.value)
    for part in parts:
        if part != "extra":
            assert repr(str(tmp_path / part)) in message
    if len(parts) > 1:
        first = min(parts, key=lambda part: "train" not in part.lower())
        if "rain" in first:
            assert f"classes={first}.target_names" in message
    # Not a dead end where they are classes.
    bunch = load_image_folder(tmp_path, classes=sorted(parts))
    assert bunch.target_names == sorted(parts)


def test_a_class_may_be_called_train(tmp_path):
    make(tmp_path, "train/1.png", "bus/1.png")
    assert load_image_folder(tmp_path).target_names == ["bus", "train"]


def test_an_empty_class_is_named_but_no_error_where_classes_are_known(tmp_path):
    make(tmp_path, "cat/1.png", "eel/1.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=r"no images in the sub-folders \['dog'\]"):
        load_image_folder(tmp_path)
    with pytest.warns(UserWarning, match=r"no images.*\['dog'\]") as seen:
        bunch = load_image_folder(tmp_path, classes=["cat", "dog", "eel"])
    assert seen[0].filename == __file__
    np.testing.assert_array_equal(bunch.target, [0, 2])
    for folder in ("cat", "eel"):
        (tmp_path / folder / "1.png").unlink()
    with pytest.raises(ValueError, match="no images"):
        load_image_folder(tmp_path, classes=["cat", "dog", "eel"])


# --- images without a label -----------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["unlabelled", "unlabeled", "Unlabeled", "unknown", "_new", "__later"]
)
def test_unlabelled_images_are_no_class(name, tmp_path):
    make(tmp_path, "cat/1.png", "dog/1.png", f"{name}/b.png", f"{name}/deep/a.png")
    with pytest.warns(UserWarning, match=rf"2 images.*\['{name}'\].*classes=") as seen:
        bunch = load_image_folder(tmp_path)
    assert seen[0].filename == __file__
    assert bunch.target_names == ["cat", "dog"]
    assert len(bunch.data) == len(bunch.target) == 2
    assert bunch.unlabelled == [
        str(tmp_path / name / rest) for rest in ("b.png", "deep/a.png")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Said so, one way or the other.
        bunch = load_image_folder(tmp_path, classes=["cat", "dog"])
        assert bunch.target_names == ["cat", "dog"] and len(bunch.unlabelled) == 2
        bunch = load_image_folder(tmp_path, classes=["cat", "dog", name])
        assert len(bunch.data) == 4 and bunch.unlabelled == []
        np.testing.assert_array_equal(bunch.target, [0, 1, 2, 2])


def test_a_folder_of_unlabelled_images_only(tmp_path):
    make(tmp_path, "unlabelled/1.png")
    with pytest.raises(ValueError, match=r"no sub-folders but \['unlabelled'\]"):
        load_image_folder(tmp_path)


def test_without_unlabelled_images_the_list_is_empty(tmp_path):
    make(tmp_path, "cat/1.png", ".hidden/1.png")
    assert load_image_folder(tmp_path).unlabelled == []


# --- links ----------------------------------------------------------------------------


def test_links_to_folders_are_followed(tmp_path):
    make(tmp_path, "photos/cat/1.png", "elsewhere/2.png", "elsewhere/deep/3.png")
    make(tmp_path, "far/4.png")
    root = tmp_path / "photos"
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "dog").symlink_to(tmp_path / "far")
    bunch = load_image_folder(root)
    assert [path.removeprefix(str(root)) for path in bunch.data] == [
        "/cat/1.png",
        "/cat/more/2.png",
        "/cat/more/deep/3.png",
        "/dog/4.png",
    ]
    np.testing.assert_array_equal(bunch.target, [0, 0, 0, 1])


def test_links_in_circles_end(tmp_path):
    make(tmp_path, "photos/cat/1.png", "photos/cat/a/2.png", "photos/dog/3.png")
    root = tmp_path / "photos"
    (root / "cat" / "self").symlink_to(root / "cat")
    (root / "cat" / "a" / "up").symlink_to(root / "cat")
    (root / "cat" / "root").symlink_to(root)  # would make all dogs cats
    (root / "cat" / "again").symlink_to(root / "cat" / "a")
    (root / "dog" / "loop").symlink_to(root / "dog" / "loop")
    with pytest.warns(UserWarning, match="1 files .*loop"):
        bunch = load_image_folder(root)
    assert len(bunch.data) == 3
    np.testing.assert_array_equal(bunch.target, [0, 0, 1])


def test_many_links_across_are_listed_in_time(tmp_path):
    """Every folder links to every other: there are 12! ways through them."""
    names = [f"cat/{i}" for i in range(12)]
    make(tmp_path, *(f"{name}/1.png" for name in names))
    for a in names:
        for b in names:
            (tmp_path / a / f"to{b[4:]}").symlink_to(tmp_path / b)
    assert len(load_image_folder(tmp_path).data) == 12


def test_dangling_links_are_not_lost(tmp_path):
    make(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "2.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "cat" / "more").symlink_to(tmp_path / "gone")
    (tmp_path / "dog").symlink_to(tmp_path / "gone")
    with pytest.warns(UserWarning, match="2 files .* left out"):
        bunch = load_image_folder(tmp_path)
    # Named as missing when it is read.
    assert bunch.data[1].endswith("2.png")


def test_folders_that_cannot_be_listed_are_errors(tmp_path, monkeypatch):
    make(tmp_path, "cat/1.png", "cat/secret/2.png")
    import os

    listed = os.scandir

    def deny(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(PermissionError, match="secret"):
        load_image_folder(tmp_path)


def test_images_that_pillow_has_to_learn_are_listed(tmp_path):
    make(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "2.HEIC").write_bytes(b"")
    (tmp_path / "cat" / "3.jxl").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_image_folder(tmp_path).data) == 3


def test_real_class_folders(photo_data):
    folder = photo_data / "grocery" / "train"
    if not folder.is_dir():
        pytest.skip("no grocery photos")
    bunch = load_image_folder(folder)
    assert len(bunch.data) == 832 and len(bunch.target_names) == 26
    np.testing.assert_array_equal(np.bincount(bunch.target), [32] * 26)
