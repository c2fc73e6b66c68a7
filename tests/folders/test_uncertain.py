"""From which probability on a prediction is not called uncertain."""

import numpy as np
import pytest
from photo_folders import TINY
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from skknn import JointKNNClassifier, classify_folder


def shade(path, level, seed):
    """A picture of noise around a grey."""
    noise = np.random.default_rng(seed).normal(0, 40, (32, 32, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(noise + level, 0, 255).astype("uint8")
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def shades(tmp_path_factory):
    """Two classes that overlap, a photo with a wrong label, and an answer."""
    folder = tmp_path_factory.mktemp("photos")
    levels = np.random.default_rng(0).normal(size=(2, 15)) * 22 + [[105.5], [150.5]]
    for label, row in zip(("dark", "light"), levels):
        for i, level in enumerate(row):
            shade(folder / label / f"{i}.png", level, i)
    shade(folder / "dark" / "wrong.png", 230, 50)
    for i in range(4):
        shade(folder / "light" / f"sure{i}.png", 230, 60 + i)
    for i, level in enumerate(range(40, 220, 20)):
        shade(folder / f"{i}.png", level, 70 + i)
    return folder, classify_folder(folder, **TINY)


def test_the_threshold_is_of_the_parameters_that_predict(shades):
    """As by plain loops: one fit a fold, with the parameters of the final model."""
    folder, answer = shades
    table = answer.training
    labels = table["label"].to_numpy()
    files = [str(folder / file) for file in table["file"]]
    rows = answer.pipeline["features"].transform(files)
    suspect = {*answer.suspect_labels["file"]}
    assert "dark/wrong.png" in suspect
    held_out = []
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(rows, labels):
        model = JointKNNClassifier(**answer.settings["parameters"], random_state=0)
        model.fit(rows[train], labels[train])
        for i, proba in zip(test, model.predict_proba(rows[test])):
            right = model.classes_[proba.argmax()] == labels[i]
            if table["file"][i] not in suspect:
                held_out.append((proba.max(), right))
    thresholds = [
        p
        for p, _ in held_out
        if np.mean([right for q, right in held_out if q >= p]) >= 0.95
    ]
    assert len(thresholds) < len(held_out)  # some were not good enough
    expected = max(0.5, min(thresholds))
    assert answer.settings["uncertain_below"] == pytest.approx(expected, rel=1e-9)
    frame = answer.predictions
    assert frame["uncertain"].tolist() == (frame["probability"] < expected).tolist()


def test_the_summary_names_the_threshold(shades):
    _, answer = shades
    n, below = answer.predictions["uncertain"].sum(), answer.settings["uncertain_below"]
    assert f"9 photos predicted; {n} uncertain (below {below:.2f})," in repr(answer)
    assert 2 * n <= 9 and "Most are uncertain" not in repr(answer)


def test_the_summary_says_why_most_are_uncertain(shades):
    _, answer = shades
    most = answer.predictions.assign(uncertain=[True] * 5 + [False] * 4)
    parts = vars(answer) | {"predictions": most}
    text = repr(type(answer)(**parts))
    assert "Most are uncertain: in cross-validation on 35 photos" in text
    nothing = {**answer.settings, "uncertain_below": 1.01}
    text = repr(type(answer)(**parts | {"settings": nothing}))
    assert "5 uncertain, " in text and "no probability was high enough" in text
