"""What lies in a folder, before anything is computed."""

import os

import pytest
from photo_folders import TINY, fill, make_messy, save_photo

from skknn.datasets import load_image_folder
from skknn.folders import audit_folder, classify_folder, embed_folder
from skknn.folders._contents import look_into
from skknn.folders._groups import groups_of

UNLABELLED = ("unlabelled", "_*")


def test_labelled_photos_are_those_of_load_image_folder(tmp_path):
    folder = fill(tmp_path, 3)
    save_photo(folder / "red" / "burst" / "nested.png", "red", 1)
    found = look_into(folder, unlabelled=UNLABELLED)
    expected = load_image_folder(folder, target="names")
    assert found.paths(found.labelled) == expected.data
    assert list(found.labels) == expected.target.tolist()
    assert found.waiting == () and found.skipped == ()


def test_names_of_unlabelled_folders_are_patterns_in_any_case(tmp_path):
    folder = make_messy(fill(tmp_path, 3))
    found = look_into(folder, unlabelled=["RED", "un*"])
    assert set(found.labels) == {"blue", "green", "lonely", "_todo"}
    assert "red/0.png" in found.waiting and "Unknown/who.png" in found.waiting


def test_links_in_a_circle(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    (folder / "red" / "round").symlink_to(folder, target_is_directory=True)
    found = look_into(folder, unlabelled=UNLABELLED)
    assert found.labels.count("red") == 3
    reason = "a link to a folder whose photos are found without it"
    assert found.skipped == (("red/round", reason),)


@pytest.fixture
def shut(monkeypatch):
    """Folders called "shut" cannot be listed, not even by a superuser."""
    scandir = os.scandir

    def refuse(path="."):
        if os.path.basename(path) == "shut":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_a_folder_that_cannot_be_listed_costs_no_other_photo(tmp_path, shut):
    folder = fill(tmp_path / "photos", 3)
    save_photo(folder / "green" / "shut" / "x.png", "green", 50)
    save_photo(folder / "shut" / "x.png", "green", 50)
    found = look_into(folder, unlabelled=UNLABELLED)
    assert found.labels.count("green") == 3 and len(found.labels) == 9
    reason = "its folder cannot be listed (Permission denied)"
    assert found.skipped == (("green/shut/", reason), ("shut/", reason))


def test_a_folder_that_cannot_be_listed_stops_no_command(tmp_path, shut):
    folder = fill(tmp_path / "photos", 3)
    save_photo(tmp_path / "new" / "x.png", "green", 50)
    save_photo(tmp_path / "new" / "shut" / "y.png", "green", 51)
    reason = "its folder cannot be listed (Permission denied)"
    answer = classify_folder(folder, new=tmp_path / "new", **TINY)
    assert answer.skipped.values.tolist() == [["../new/shut/", reason]]
    frame, skipped = answer.predict(tmp_path / "new")
    assert frame["file"].tolist() == ["x.png"]
    assert skipped.values.tolist() == [["shut/", reason]]
    found = embed_folder(tmp_path / "new", **TINY)
    assert found.files == ["x.png"] and found.skipped == [("shut/", reason)]
    for ask in (classify_folder, audit_folder, embed_folder):
        with pytest.raises(PermissionError, match="folder='.*shut' cannot be listed"):
            ask(tmp_path / "new" / "shut", **TINY)
    with pytest.raises(
        PermissionError, match="photos='.*shut' cannot be listed .* Ask"
    ):
        answer.predict(tmp_path / "new" / "shut")


def test_links_to_other_folders_are_followed_once(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    save_photo(tmp_path / "elsewhere" / "far.png", "red", 7)
    for name in ("one", "two"):
        (folder / "red" / name).symlink_to(tmp_path / "elsewhere")
    found = look_into(folder, unlabelled=UNLABELLED)
    assert [name for name in found.labelled if "far" in name] == ["red/one/far.png"]
    assert [name for name, _ in found.skipped] == ["red/two"]
    alone = look_into(fill(tmp_path / "b", 3), new=folder / "red", unlabelled=())
    assert any(name.endswith("red/two") for name, _ in alone.skipped)


def test_a_name_that_is_no_text_is_kept(tmp_path):
    folder = fill(tmp_path, 3)
    odd = os.fsdecode(b"\xff\xfe odd.png")
    try:
        save_photo(folder / odd, "red", 5)
    except OSError:
        pytest.skip("this file system wants text")
    assert look_into(folder, unlabelled=UNLABELLED).waiting == (odd,)


def test_other_folders_inside_are_no_classes(tmp_path):
    folder = fill(tmp_path, 3)
    save_photo(folder / "later" / "x.png", "green", 50)
    save_photo(folder / "red" / "later" / "y.png", "green", 51)
    (folder / "red" / "later" / "skipped.csv").write_text("file,reason\n")  # results
    found = look_into(
        folder,
        unlabelled=UNLABELLED,
        new=folder / "later",
        output=folder / "red" / "later",
    )
    assert set(found.labels) == {"blue", "green", "red"} and len(found.labels) == 9
    assert found.waiting == ("later/x.png",) and found.skipped == ()


def test_the_whole_folder_is_not_predicted_again(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    save_photo(tmp_path / "x.png", "green", 50)
    found = look_into(folder, unlabelled=UNLABELLED, new=tmp_path)
    assert len(found.labels) == 9 and found.waiting == ("../x.png",)


def test_results_do_not_go_among_the_photos(tmp_path):
    with pytest.raises(ValueError, match="output=.*is the folder of photos. Name one"):
        look_into(fill(tmp_path, 1), unlabelled=UNLABELLED, output=tmp_path)


def test_groups_by_folder():
    files = ["cat/1.jpg", "cat/b1/1.jpg", "cat/b1/2.jpg", "dog/b1/1.jpg", "cat/b/c/1.j"]
    found = groups_of(files, "subfolders").tolist()
    assert found == ["cat/1.jpg", "cat/b1", "cat/b1", "dog/b1", "cat/b/c"]
    assert groups_of(files, lambda file: len(file)).tolist() == [
        str(len(file)) for file in files
    ]


def test_parts_of_a_data_set_are_no_classes(tmp_path):
    fill(tmp_path / "train", 1), fill(tmp_path / "test", 1)
    with pytest.raises(ValueError, match=r"folder='.*train', new='.*test'"):
        classify_folder(tmp_path)


@pytest.mark.parametrize("wrong", ["todo", [1], [None]])
def test_patterns_are_names(tmp_path, wrong):
    with pytest.raises(ValueError, match="unlabelled=.*must be a sequence of names"):
        look_into(fill(tmp_path, 1), unlabelled=wrong)


@pytest.mark.parametrize(
    "groups", [lambda file: "one", lambda file: file[0], lambda file: int(file[-5]) % 2]
)
def test_too_few_groups_are_told_before_features(tmp_path, groups):
    with pytest.raises(ValueError, match="groups: at least two classes .* 3 groups"):
        classify_folder(
            fill(tmp_path, 6), groups=groups, backbone="no such backbone", verbose=0
        )


def test_a_folder_of_broken_photos_says_why(tmp_path):
    for file in fill(tmp_path, 3).rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="red/2.png' was skipped: the file is empty"):
        classify_folder(tmp_path, backbone="test_resnet", weights=None, verbose=0)


@pytest.mark.parametrize("twins", [("caf\u00e9", "cafe\u0301"), ("cat", "cat ")])
def test_class_folders_that_look_alike(tmp_path, twins):
    fill(tmp_path, 1)
    for name in twins:
        save_photo(tmp_path / name / "0.png", "red", 50)
    if len(list(tmp_path.iterdir())) < 5:
        pytest.skip("one folder for this file system")
    with pytest.warns(
        UserWarning, match="class folders .* differ by case, spaces"
    ) as w:
        found = look_into(tmp_path, unlabelled=UNLABELLED)
    assert len(w) == 1 and set(twins) < set(found.labels)


def test_parts_of_a_data_set_among_classes(tmp_path):
    folder = fill(tmp_path / "one", 3)
    save_photo(folder / "test" / "x.png", "green", 50)
    with pytest.warns(UserWarning, match="'test' .* is taken for a class.*new="):
        assert "test" in look_into(folder, unlabelled=UNLABELLED).labels
    # Both, without class folders in them: nothing there could be passed instead.
    save_photo(folder / "train" / "x.png", "green", 51)
    with pytest.raises(ValueError, match="no classes by their names. Move them else"):
        look_into(folder, unlabelled=UNLABELLED)
    fill(folder / "train", 1)
    with pytest.raises(ValueError, match="Pass the one with the class folders: folder"):
        look_into(folder, unlabelled=UNLABELLED)
