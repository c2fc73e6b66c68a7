"""Results replace nothing of somebody else, and runs do not disturb each other."""

import os
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from photo_folders import TINY, save_photo
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import BackboneEmbedder, classify_folder
from skknn.folders import FolderAnswer, audit_folder, embed_folder
from skknn.inspection import write_report


def two_classes(folder, n=3):
    """The smallest folder from which anything is learnt."""
    for i in range(n):
        save_photo(folder / "blue" / f"{i}.png", "blue", i)
        save_photo(folder / "red" / f"{i}.png", "red", 100 + i)
    return folder


@pytest.mark.parametrize("function", [classify_folder, audit_folder])
@pytest.mark.parametrize("name", ["duplicates.csv", "skipped.csv"])
def test_files_of_others_are_not_replaced(tmp_path, function, name):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("my own notes")
    with pytest.raises(FileExistsError, match=f"output=.*holds '{name}'.*another fold"):
        function(folder, output=out, **TINY)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "my own notes"


def test_own_results_are_replaced_without_the_cache(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    answer = classify_folder(folder, **TINY)
    answer.save(out)
    answer.save(out)
    audit_folder(folder, output=tmp_path / "audit", **TINY)
    for file in (tmp_path / "audit" / "cache").iterdir():
        file.unlink()
    audit_folder(folder, output=tmp_path / "audit", **TINY)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds 'report.html'"):
        answer.save(tmp_path / "mine")


def test_an_audit_does_not_replace_the_tables_of_an_answer(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    (folder / "loose.png").touch()
    classify_folder(folder, output=out, **TINY)
    before = {path.name: path.read_bytes() for path in out.glob("*.csv")}
    with pytest.raises(FileExistsError, match="results of `skknn classify`.*another"):
        audit_folder(folder, output=out, **TINY)
    assert {path.name: path.read_bytes() for path in out.glob("*.csv")} == before
    # The other way round all of them are new.
    audit_folder(folder, output=tmp_path / "audit", **TINY)
    classify_folder(folder, output=tmp_path / "audit", **TINY)
    assert len(FolderAnswer.load(tmp_path / "audit").skipped) == 1


@pytest.mark.parametrize("function", [classify_folder, audit_folder])
def test_a_file_is_no_folder_of_results(tmp_path, function):
    folder, file = two_classes(tmp_path / "photos"), tmp_path / "file"
    file.write_text("mine")
    for output in (file, file / "deep" / "er"):
        with pytest.raises(NotADirectoryError, match="output=.* is a file. Name a"):
            function(folder, output=output, **TINY)
    assert file.read_text() == "mine"


def test_a_folder_is_no_file_of_results(tmp_path):
    folder = two_classes(tmp_path / "photos")
    answer = classify_folder(folder, **TINY)
    (tmp_path / "x.npz").mkdir()
    error = "output=.*is a folder. Name a file"
    with pytest.raises(IsADirectoryError, match=error):
        embed_folder(folder, tmp_path / "x.npz", **TINY)
    with pytest.raises(IsADirectoryError, match=error):
        answer.predict(folder, output=tmp_path / "x.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "x.npz"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    folder = two_classes(tmp_path / "photos")

    def full(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        embed_folder(folder, tmp_path / "x.npz", **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_files_that_another_run_is_writing_stay(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    for name, hours in (("busy", 0), ("killed", 2)):
        place = out / f".unfinished-{name}"
        place.mkdir(parents=True)
        (place / "model.joblib").write_bytes(b"half")
        past = time.time() - 3600 * hours
        for path in (place / "model.joblib", place):
            os.utime(path, (past, past))
    classify_folder(folder, output=out, **TINY)
    assert [path.name for path in out.glob(".unfinished*")] == [".unfinished-busy"]


def test_a_carriage_return_in_a_name_ends_no_line(tmp_path):
    folder = two_classes(tmp_path / "photos")
    (folder / "red").rename(folder / "cr\rx")
    save_photo(folder / "new\r.png", "red", 50)
    classify_folder(folder, output=tmp_path / "out", **TINY)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table["file"].tolist() == ["new\r.png"] and table["label"][0] == "cr\rx"
    table = pd.read_csv(tmp_path / "out" / "training.csv")
    assert set(table["label"]) == {"blue", "cr\rx"} and len(table) == 6
    assert table["probability"].dtype == float


def test_no_cell_is_a_formula(tmp_path):
    names = ["=cmd|x.png", "@sum.png", "+1+1.png", "-2+3.png", "plain=1.png"]
    for number, name in enumerate(names):
        save_photo(tmp_path / "photos" / "=blue" / name, "blue", number)
        save_photo(tmp_path / "photos" / "-1" / f"{number}.png", "red", 100 + number)
        save_photo(tmp_path / "photos" / name, "blue", 200 + number)
    out = tmp_path / "out"
    answer = classify_folder(tmp_path / "photos", output=out, **TINY)
    table = pd.read_csv(out / "predictions.csv")
    assert sorted(table["file"]) == sorted(
        name if name == "plain=1.png" else f"'{name}" for name in names
    )
    # Numbers stay what they are, and frames have the names of the files.
    assert set(pd.read_csv(out / "training.csv", dtype=str)["label"]) == {
        "'=blue",
        "-1",
    }
    assert sorted(answer.predictions["file"]) == sorted(names)


def test_results_inside_the_folder_to_predict_are_none_of_its_files(tmp_path):
    folder, new = two_classes(tmp_path / "photos"), tmp_path / "new"
    save_photo(new / "x.png", "red", 50)
    out = new / "results"
    first = classify_folder(folder, new=new, output=out, **TINY)
    (out / "duplicates.csv").rename(tmp_path / "kept.csv")  # so that it runs again
    again = classify_folder(folder, new=new, output=out, **TINY)
    assert len(first.skipped) == len(again.skipped) == 0
    assert first.settings["fingerprint"] == again.settings["fingerprint"]
    with pytest.raises(ValueError, match=r"output=.*folder of photos to predict. Name"):
        classify_folder(folder, new=new, output=new, **TINY)


def test_a_damaged_model_says_what_to_do(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    classify_folder(folder, output=out, **TINY)
    whole = (out / "answer.joblib").read_bytes()
    (out / "answer.joblib").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be loaded .* command that made it"):
        FolderAnswer.load(out)
    classify_folder(folder, output=out, **TINY)
    assert len(FolderAnswer.load(out).training) == 6


def test_a_precision_that_is_no_number_is_an_empty_cell(tmp_path):
    answer = classify_folder(two_classes(tmp_path / "photos"), **TINY)
    answer.per_class.loc[0, "precision"] = float("nan")
    answer.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "per_class.csv")
    assert table["precision"].isna().tolist() == [True, False]


@pytest.mark.parametrize("function", [classify_folder, audit_folder])
@pytest.mark.parametrize("inside", ["", "burst"])
def test_results_do_not_hide_a_class(tmp_path, function, inside):
    folder = two_classes(tmp_path / "photos")
    save_photo(folder / "red" / "burst" / "x.png", "red", 50)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"output=.* holds photos, such as .*Name a"):
        function(folder, output=folder / "red" / inside, **TINY)
    assert sorted(tmp_path.rglob("*")) == before


def test_where_nothing_can_be_written_nothing_is_computed(tmp_path, monkeypatch):
    folder, shut = two_classes(tmp_path / "photos"), tmp_path / "shut"
    shut.mkdir()
    answer = classify_folder(folder, output=shut / "done", **TINY)
    access = os.access
    monkeypatch.setattr(  # a superuser may write anywhere
        os, "access", lambda path, mode: shut not in [path, *path.parents]
    )
    assert access(shut, os.W_OK)
    again = classify_folder(folder, output=shut / "done", **TINY)  # reads
    assert again.training.equals(answer.training)

    def compute(*args, **more):
        raise AssertionError("features are computed")

    monkeypatch.setattr(BackboneEmbedder, "fit", compute)
    monkeypatch.setattr(BackboneEmbedder, "transform", compute)
    error = "output=.*nothing can be written in '.*shut'. Name another"
    with pytest.raises(PermissionError, match=error):
        classify_folder(folder, output=shut / "new", **TINY)
    with pytest.raises(PermissionError, match=error):
        audit_folder(folder, output=shut / "audit", **TINY)
    with pytest.raises(PermissionError, match=error):
        embed_folder(folder, shut / "x.npz", **TINY)
    with pytest.raises(PermissionError, match=error):
        answer.predict(folder, output=shut / "x.csv")


def other_classes(out):
    """The model of another answer."""
    place = out.parent / "other"
    two_classes(place)
    (place / "red").rename(place / "pink")
    classify_folder(place, output=place / "out", **TINY)
    return joblib.load(place / "out" / "model.joblib")


@pytest.mark.parametrize(
    "model, reason",
    [
        (lambda out: make_pipeline(StandardScaler()), "is no Pipeline of"),
        (lambda out: {"a": 1}, "is no Pipeline of"),
        (other_classes, "has other classes than answer.joblib"),
    ],
)
def test_a_model_of_somebody_else_says_what_to_do(tmp_path, model, reason):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    classify_folder(folder, output=out, **TINY)
    joblib.dump(model(out), out / "model.joblib")
    with pytest.raises(ValueError, match=f"model.joblib {reason}.* command that made"):
        FolderAnswer.load(out)
    answer = classify_folder(folder, output=out, **TINY)
    assert answer.pipeline.predict([str(folder / "red" / "0.png")]) == ["red"]


def test_an_answer_of_a_package_that_has_changed_is_made_again(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    classify_folder(folder, output=out, **TINY)
    (out / "answer.joblib").write_bytes(b"cskknn._moved\nFolderAnswer\n.")
    with pytest.raises(ValueError, match="No module named 'skknn._moved'.*made it"):
        FolderAnswer.load(out)
    classify_folder(folder, output=out, **TINY)
    assert len(FolderAnswer.load(out).training) == 6


@pytest.mark.parametrize("function", [classify_folder, audit_folder, embed_folder])
def test_no_jobs_are_refused_before_features(tmp_path, monkeypatch, function):
    folder = two_classes(tmp_path / "photos")
    monkeypatch.setattr(BackboneEmbedder, "fit", None)
    with pytest.raises(ValueError, match="n_jobs=0 must be None, a number of threads"):
        function(folder, n_jobs=0, **TINY)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_devices_and_pipes_are_not_replaced(tmp_path):
    folder = two_classes(tmp_path / "photos")
    answer = classify_folder(folder, **TINY)
    pipe = tmp_path / "x.npz"
    os.mkfifo(pipe)
    for write in (
        lambda: embed_folder(folder, pipe, **TINY),
        lambda: answer.predict(folder, output=pipe),
        lambda: write_report(answer, pipe),
    ):
        with pytest.raises(ValueError, match=r"x.npz' is a device or a pipe.* Name a"):
            write()
    assert pipe.is_fifo()


def test_a_link_stays_one(tmp_path):
    folder = two_classes(tmp_path / "photos")
    (tmp_path / "other").mkdir()
    embed_folder(two_classes(tmp_path / "other", 4), tmp_path / "there.npz", **TINY)
    (tmp_path / "x.npz").symlink_to(tmp_path / "there.npz")
    found = embed_folder(folder, tmp_path / "x.npz", **TINY)
    assert (tmp_path / "x.npz").is_symlink()
    with np.load(tmp_path / "there.npz") as file:
        assert file["features"].tolist() == found.features.tolist()


def test_a_suffix_in_capitals_is_kept(tmp_path):
    folder = two_classes(tmp_path / "photos")
    found = embed_folder(folder, tmp_path / "X.NPZ", **TINY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.NPZ", "photos"]
    with np.load(tmp_path / "X.NPZ") as file:
        assert file["files"].tolist() == found.files


@pytest.mark.parametrize("function", [classify_folder, audit_folder])
def test_a_folder_with_the_name_of_a_table_is_told_before_features(tmp_path, function):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    function(folder, output=out, **TINY)
    (out / "outliers.csv").unlink()
    (out / "outliers.csv").mkdir()
    before = sorted(out.iterdir())
    with pytest.raises(
        FileExistsError, match="holds 'outliers.csv', .* another folder"
    ):
        function(folder, output=out, **TINY)
    assert sorted(out.iterdir()) == before


def test_predictions_and_features_replace_their_own_alone(tmp_path):
    folder, out = two_classes(tmp_path / "photos"), tmp_path / "out"
    answer = classify_folder(folder, output=out, **TINY)
    before = {path.name: path.read_bytes() for path in out.glob("*.*")}
    mine = tmp_path / "mine.csv"
    mine.write_text("my,own,table\n1,2,3\n")
    for output in (mine, *(out / name for name in ("predictions.csv", "training.csv"))):
        with pytest.raises(FileExistsError, match="does not look like.*another file"):
            answer.predict(folder, output=output)
    assert mine.read_text() == "my,own,table\n1,2,3\n"
    assert {path.name: path.read_bytes() for path in out.glob("*.*")} == before
    for output in (tmp_path / "more.csv", out / "more.csv"):
        answer.predict(folder, output=output)
        answer.predict(folder, output=output)  # its own may be written again
    empty = tmp_path / "empty.csv"
    empty.touch()
    answer.predict(folder, output=empty)
    assert empty.stat().st_size > 0

    for text in (b"notes", b"PK\3\4"):
        (tmp_path / "e.npz").write_bytes(text)
        with pytest.raises(FileExistsError, match="does not look like"):
            embed_folder(folder, output=tmp_path / "e.npz", **TINY)
        assert (tmp_path / "e.npz").read_bytes() == text
    np.savez(tmp_path / "e.npz", a=np.ones(3))
    with pytest.raises(FileExistsError, match="does not look like"):
        embed_folder(folder, output=tmp_path / "e.npz", **TINY)
    for _ in range(2):
        embed_folder(folder, output=tmp_path / "features.npz", **TINY)
