"""What the summary, the tables and the model card say is what is there."""

import pytest
from photo_folders import TINY, fill, save_photo

from skknn import classify_folder
from skknn.folders import FolderAnswer


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
