"""What the summary, the tables and the model card say is what is there."""

import numpy as np
import pandas as pd
import pytest
from photo_folders import TINY, fill, save_photo

from skknn import classify_folder
from skknn.cli import main
from skknn.folders import FolderAnswer, audit_folder


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A folder with photos to predict and an answer, as it is read back."""
    folder = fill(tmp_path_factory.mktemp("photos"), 4)
    save_photo(folder / "x.png", "red", 50)
    output = tmp_path_factory.mktemp("results")
    return folder, output, classify_folder(folder, output=output, **TINY)


def other(answer, **fields):
    """The answer with other fields."""
    return FolderAnswer(**vars(answer) | fields)


@pytest.mark.parametrize(
    ("lam", "said"),
    [
        (0.0, "then a logistic regression; votes of the nearest training photos were "
         "tried and have no share"),
        (1.0, "then votes of the nearest training photos; a logistic regression was "
         "tried and has no share"),
        (0.25, "a mixture of votes of the nearest training photos (25%) and a logistic "
         "regression (75%)"),
    ],
)  # fmt: skip
def test_the_model_card_says_what_predicts(found, tmp_path, lam, said):
    answer = found[2]
    settings = {
        **answer.settings,
        "parameters": {**answer.settings["parameters"], "lam": lam},
    }
    other(answer, settings=settings).save(tmp_path / "out")
    card = " ".join((tmp_path / "out" / "model_card.md").read_text("utf8").split())
    assert said in card and f"lam = {lam}" in card


def test_every_label_has_its_quality(found, tmp_path, capsys):
    """In training.csv in its order, and in the audit's labels.csv the worst first."""
    folder, output, answer = found
    quality = answer.audit.label_quality_
    np.testing.assert_array_equal(answer.training["label_quality"], quality)
    table = pd.read_csv(output / "training.csv")
    np.testing.assert_allclose(table["label_quality"], quality, atol=1e-4)

    args = ["audit", str(folder), "--out", str(tmp_path / "audit")]
    assert main([*args, "--backbone", "test_resnet", "--weights", "random"]) == 0
    assert "12 rows in labels.csv" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "audit" / "labels.csv")
    assert list(table) == ["file", "label", "suggested", "label_quality"]
    assert table["label_quality"].is_monotonic_increasing
    worst = answer.training["file"][np.argsort(quality)]
    assert table["file"].tolist() == worst.tolist()


def pairs(*found):
    """Near-duplicates as (file, file, similarity)."""
    rows = [
        (a, b, a.split("/")[0], b.split("/")[0], s, a[0] == b[0]) for a, b, s in found
    ]
    names = ["file_a", "file_b", "label_a", "label_b", "similarity", "same_class"]
    return pd.DataFrame(rows, columns=names)


def test_similar_photos_are_no_near_duplicates(found):
    answer = found[2]
    some = pairs(("red/0.png", "red/1.png", 0.95), ("red/0.png", "red/2.png", 0.73))
    text = repr(other(answer, duplicates=some))
    assert "Pairs of near-duplicates: 1." in text
    assert "Pairs of very similar photos: 1." in text
    text = repr(other(answer, duplicates=some[1:]))
    assert "Pairs of near-duplicates" not in text
    by_picture = some[1:].assign(same_picture=[True])
    text = repr(other(answer, duplicates=by_picture))
    assert "Pairs of near-duplicates: 1." in text and "very similar" not in text


def test_groups_are_recommended_for_copies_within_a_class(found):
    answer = found[2]
    within = pairs(("red/0.png", "red/1.png", 0.95))
    text = repr(other(answer, duplicates=within))
    assert "groups 'subfolders'" in text and "remove" not in text
    between = pairs(("blue/0.png", "red/1.png", 0.95))
    text = repr(other(answer, duplicates=between))
    assert "1 pair is of two classes" in text and "remove one of the two" in text
    assert "groups" not in text
    alike = pairs(("blue/0.png", "red/1.png", 0.73))  # no copies
    text = repr(other(answer, duplicates=alike))
    assert "groups" not in text and "remove" not in text


def test_groups_without_sub_folders_are_told(found):
    folder, _, _ = found
    with pytest.warns(UserWarning, match="no sub-folders.*its own group"):
        audit_folder(folder, groups="subfolders", **TINY)


def test_predict_says_what_it_skips(found, tmp_path, capsys):
    folder, output, _ = found
    place, table = tmp_path / "more", tmp_path / "out" / "more.csv"
    save_photo(place / "x.png", "red", 60)
    (place / "bad.png").touch()
    (place / "notes.txt").touch()
    args = ["predict", str(output), str(place), "--out", str(table)]
    assert main(args) == 0
    said, progress = capsys.readouterr()
    assert "1 photo predicted, 0 uncertain (below 0." in said
    assert "2 files skipped (more_skipped.csv)." in said
    assert "1 of 2 photos could not be read." in progress
    beside = tmp_path / "out" / "more_skipped.csv"
    skipped = pd.read_csv(beside)
    assert skipped["file"].tolist() == ["bad.png", "notes.txt"]
    assert skipped["reason"].str.len().min() > 5
    (place / "bad.png").unlink(), (place / "notes.txt").unlink()
    assert main(args) == 0
    assert "0 files skipped." in capsys.readouterr().out
    assert not beside.exists()  # it was of the other run
    beside.write_text("mine")
    assert main(args) == 1
    assert "more_skipped.csv', which is there" in capsys.readouterr().err
    assert beside.read_text() == "mine"


def test_progress_counts_what_cannot_be_read(tmp_path, capsys):
    folder = fill(tmp_path / "photos", 3)
    (folder / "red" / "broken.png").touch()
    classify_folder(folder, **{**TINY, "verbose": 1})
    said = capsys.readouterr().err
    assert "10 labelled photos" in said and "1 more skipped: " in said
