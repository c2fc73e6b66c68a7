"""classify_folder: from class folders to an answer."""

import json
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from photo_folders import TINY, fill, make_messy, save_photo

import skknn
from skknn import BackboneEmbedder, classify_folder
from skknn.folders import FolderAnswer


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A messy folder, its results and its answer."""
    folder = make_messy(fill(tmp_path_factory.mktemp("photos")))
    output = tmp_path_factory.mktemp("results") / "answer"
    return folder, output, classify_folder(folder, output=output, **TINY)


def test_labelled_photos_are_learnt_and_the_others_predicted(messy):
    _, _, answer = messy
    assert answer.classes.tolist() == ["blue", "green", "red"]
    assert len(answer.training) == 19  # 6 of each class and the nested one
    assert "red/burst/nested.png" in answer.training["file"].tolist()
    predicted = dict(zip(answer.predictions["file"], answer.predictions["label"]))
    assert predicted == {
        "loose.png": "red",
        "Unknown/who.png": "green",
        "_todo/deep/waits.png": "blue",
        "red/unlabelled/unsure.png": "red",
    }


def test_nothing_is_dropped_silently(messy):
    folder, _, answer = messy
    told = {*answer.training["file"], *answer.predictions["file"]}
    reasons = dict(zip(answer.skipped["file"], answer.skipped["reason"]))
    assert not told & set(reasons)
    there = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    assert there == told | set(reasons) - {"nothing/"}
    for file, words in {
        "nothing/": "without photos",
        "lonely/only.png": "only photo of its class",
        "empty.jpg": "empty",
        "notes.txt": "no photo by its name",
        "red/Thumbs.db": "no photo by its name",
        "red/.DS_Store": "hidden",
        "green/IMG_1.CR2": "raw",
        "green/film.MP4": "video",
    }.items():
        assert words in reasons[file]
    assert reasons["red/broken.jpg"]


def test_evaluation_is_that_of_the_held_out_predictions(messy):
    _, _, answer = messy
    table, found = answer.training, answer.evaluation
    assert found["accuracy"] == (table["label"] == table["predicted"]).mean()
    assert found["low"] < found["accuracy"] <= found["high"] <= 1
    assert found["n"] == 19 and found["baseline"] == 7 / 19
    assert answer.confusion.to_numpy().sum() == 19
    expected = pd.crosstab(table["label"], table["predicted"])
    assert (answer.confusion.loc[expected.index, expected.columns] == expected).all(
        axis=None
    )
    assert answer.per_class["n"].tolist() == [6, 6, 7]
    np.testing.assert_allclose(
        answer.per_class["recall"],
        np.diag(answer.confusion) / answer.confusion.sum(axis=1),
    )


def test_the_pipeline_predicts_paths_as_the_table_says(messy):
    folder, output, answer = messy
    paths = [str(folder / file) for file in answer.predictions["file"]]
    model = joblib.load(output / "model.joblib")
    for pipeline in (answer.pipeline, model):
        assert pipeline.predict(paths).tolist() == answer.predictions["label"].tolist()
        np.testing.assert_array_equal(
            pipeline.predict_proba(paths).max(axis=1), answer.predictions["probability"]
        )
    assert model["features"].memory is None


def test_votes_and_base_make_the_mixture(messy):
    _, _, answer = messy
    lam = answer.settings["parameters"]["lam"]
    table = answer.predictions
    np.testing.assert_allclose(
        lam * table["votes_probability"] + (1 - lam) * table["base_probability"],
        table["probability"],
    )


def test_neighbours_are_those_of_a_plain_search(messy):
    folder, _, answer = messy
    embedder = answer.pipeline["features"]
    rows, query = (
        embedder.transform([str(folder / file) for file in table["file"]]).astype(float)
        for table in (answer.training, answer.predictions)
    )
    mean = rows.mean(axis=0)
    rows, query = (
        (x - mean) / np.linalg.norm(x - mean, axis=1, keepdims=True)
        for x in (rows, query)
    )
    knn = answer.pipeline["classifier"].knn_
    files = answer.training["file"].to_numpy()
    for q, shown in zip(query, answer.predictions.itertuples()):
        distances = ((rows - q) ** 2).sum(axis=1)
        order = np.argsort(distances)[: knn.n_neighbors_]
        weights = np.exp(-(distances[order] - distances[order[0]]) / knn.tau_)
        assert shown.nearest_files == files[order][:5].tolist()
        np.testing.assert_allclose(
            shown.nearest_shares, (weights / weights.sum())[:5], rtol=1e-3
        )


def test_card_and_report_say_the_same_of_the_weights(messy):
    _, output, answer = messy
    said = answer.settings["weights_licence"]
    assert said == "None: the weights are random."
    for name in ("model_card.md", "report.html"):
        assert said in (output / name).read_text("utf8")


def test_written_tables_are_the_frames(messy):
    _, output, answer = messy
    table = pd.read_csv(output / "predictions.csv")
    assert table["file"].tolist() == answer.predictions["file"].tolist()
    nearest = table["nearest_files"].str.split("; ")
    assert nearest.tolist() == answer.predictions["nearest_files"].tolist()
    for name in ("training", "skipped", "per_class", "class_overlap"):
        table = pd.read_csv(output / f"{name}.csv")
        assert list(table) == list(getattr(answer, name))
        assert len(table) == len(getattr(answer, name))
    told = json.loads((output / "settings.json").read_text())
    assert told["evaluation"] == answer.evaluation
    assert told["parameters"] == answer.settings["parameters"]
    assert not list(output.glob(".unfinished*"))


class Again(Exception):
    """Features are computed again."""


@pytest.fixture
def no_features(monkeypatch):
    """Whoever asks for new features gets an error."""

    def fit(*args, **more):
        raise Again

    monkeypatch.setattr(BackboneEmbedder, "fit", fit)
    monkeypatch.setattr(skknn.FungiTransformer, "fit", fit)


def test_a_second_run_reads_what_is_there(messy, capsys, no_features):
    folder, output, answer = messy
    again = classify_folder(folder, output=output, **{**TINY, "verbose": 1})
    assert "Nothing has changed" in capsys.readouterr().err
    pd.testing.assert_frame_equal(again.predictions, answer.predictions)
    assert again.pipeline.classes_.tolist() == answer.classes.tolist()


def new_photo(folder, output):
    save_photo(folder / "new.png", "red", 77)


def new_label(folder, output):
    (folder / "red" / "0.png").rename(folder / "blue" / "moved.png")


def new_content(folder, output):
    save_photo(folder / "red" / "0.png", "red", 78)


def lost_table(folder, output):
    (output / "predictions.csv").unlink()


def interrupted_writing(folder, output):
    (output / "settings.json").unlink()


@pytest.mark.parametrize(
    "change", [new_photo, new_label, new_content, lost_table, interrupted_writing]
)
def test_whatever_changes_is_seen(messy, tmp_path, no_features, change):
    folder, output, _ = messy
    copies = [tmp_path / "photos", tmp_path / "results"]
    for place, copy in zip((folder, output), copies):
        shutil.copytree(place, copy)  # with the times of files
    answer = classify_folder(copies[0], output=copies[1], **TINY)
    assert answer.folder == str(copies[0])
    change(*copies)
    with pytest.raises(Again):
        classify_folder(copies[0], output=copies[1], **TINY)


def test_other_settings_are_seen(messy, no_features):
    folder, output, _ = messy
    for other in ({"random_state": 1}, {"fungi": True}, {"unlabelled": ["todo"]}):
        with pytest.raises(Again):
            classify_folder(folder, output=output, **(TINY | other))


def test_another_folder_is_predicted_with_names_seen_from_the_first(tmp_path):
    folder = fill(tmp_path / "photos", 4)
    save_photo(tmp_path / "new" / "deep" / "x.png", "green", 50)
    (tmp_path / "new" / "bad.png").touch()
    answer = classify_folder(folder, new=tmp_path / "new", **TINY)
    assert answer.predictions["file"].tolist() == ["../new/deep/x.png"]
    assert answer.skipped["file"].tolist() == ["../new/bad.png"]


def test_predict_other_photos(messy, tmp_path):
    _, output, answer = messy
    save_photo(tmp_path / "a" / "x.png", "green", 50)
    (tmp_path / "a" / "bad.png").touch()
    frame, skipped = FolderAnswer.load(output).predict(
        tmp_path / "a", output=tmp_path / "out.csv"
    )
    assert frame["label"].tolist() == ["green"]
    assert list(frame) == list(answer.predictions)
    assert skipped["file"].tolist() == ["bad.png"]
    assert pd.read_csv(tmp_path / "out.csv")["file"].tolist() == ["x.png"]
    one, _ = answer.predict([str(tmp_path / "a" / "x.png")])
    assert one["probability"].tolist() == frame["probability"].tolist()
    none, _ = answer.predict([])
    assert len(none) == 0 and list(none) == list(frame)


def test_groups_stay_in_one_fold(tmp_path):
    """Bursts of equal photos, labels by chance: without groups they seem learnt.

    Nor is anything else learnt by heart: a model that had seen the rows it is asked
    about would be right about most of them.
    """
    labels = np.random.default_rng(0).permutation(["a", "b"] * 6)
    for burst, label in enumerate(labels):
        for i in range(3):
            save_photo(tmp_path / label / f"burst{burst}" / f"{i}.png", "red", burst)
    apart = classify_folder(tmp_path, **TINY).evaluation
    together = classify_folder(tmp_path, groups="subfolders", **TINY).evaluation
    assert apart["accuracy"] > together["accuracy"] + 0.2
    assert together["accuracy"] < 0.6
    assert together["low"] < 0.5
    assert "12 groups" in together["protocol"]


def test_gradient_features_have_weights_of_their_blocks(tmp_path):
    fungi = skknn.FungiTransformer(
        "test_vit", weights=None, image_size=32, n_components=None, random_state=0,
        objectives=("kl",),
    )  # fmt: skip
    folder = make_messy(fill(tmp_path, 4))
    answer = classify_folder(folder, backbone=fungi, verbose=0)
    assert set(answer.settings["block_weights"]) == {"kl", "embedding"}
    paths = [str(folder / file) for file in answer.predictions["file"]]
    assert (
        answer.pipeline.predict(paths).tolist() == answer.predictions["label"].tolist()
    )


def test_small_classes(tmp_path):
    folder = fill(tmp_path, 3)
    for i in range(2):
        save_photo(folder / "pair" / f"{i}.png", "red", 60 + i)
    answer = classify_folder(folder, **TINY)
    assert answer.evaluation["n"] == 11
    assert answer.per_class["n"].tolist() == [3, 3, 2, 3]


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder=.*no such folder"):
        classify_folder(tmp_path / "none", **TINY)
    with pytest.raises(ValueError, match="two class folders with 3 photos.*found none"):
        classify_folder(tmp_path, **TINY)
    fill(tmp_path / "train", 3), fill(tmp_path / "test", 3)
    with pytest.raises(ValueError, match=r"parts of a data set.*train', new=.*test'"):
        classify_folder(tmp_path, **TINY)
    with pytest.raises(ValueError, match="groups='burst' must be None, 'subfolders'"):
        classify_folder(tmp_path / "train", groups="burst", **TINY)
    with pytest.raises(FileNotFoundError, match="results: there is no model.joblib"):
        FolderAnswer.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="results: it does not exist"):
        FolderAnswer.load(tmp_path / "misspelt")


def test_the_answer_in_words(messy):
    _, _, answer = messy
    text = repr(answer)
    assert "19 labelled photos of 3 classes" in text
    assert "4 photos predicted" in text
    assert f"Files or folders skipped: {len(answer.skipped)}." in text
