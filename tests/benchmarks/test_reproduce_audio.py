"""benchmarks/reproduce_audio.py on generated sounds, against plain computations."""

import re

import numpy as np
import pytest
from audio_models import RATE, save_model, sounds
from scipy.io import wavfile
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from skknn import AudioBackbone, BackboneEmbedder

pytest.importorskip("soundfile")


@pytest.fixture
def folder(tmp_path):
    """Quiet and loud sounds of two speakers: 32 of training, 12 of test."""
    rng = np.random.default_rng(0)
    for i, (samples, _) in enumerate(sounds(44, high=0.3)):
        place = tmp_path / "data" / ("train" if i < 32 else "test")
        place.mkdir(parents=True, exist_ok=True)
        label, speaker = ("quiet", "loud")[i % 2], "ab"[i // 2 % 2]
        samples = samples * (0.02, 0.5)[i % 2] * rng.uniform(0.3, 1.5)
        wavfile.write(place / f"{label}_{speaker}_{i}.wav", RATE, samples)
    return tmp_path / "data"


def run(script, folder, tmp_path, *more):
    model = save_model(tmp_path / "model")
    script("reproduce_audio").main(
        [
            *(str(folder), str(model), "--n-jobs", "1", "--memory"),
            *(str(tmp_path / "rows"), "--seeds", "2", "--shots", "2", *more),
        ]
    )


def accuracy(files, test_files, y, y_test, folder):
    """20-NN after PCA on unit embeddings, plainly."""
    embedder = BackboneEmbedder(AudioBackbone(folder)).fit(files)
    A, B = (embedder.transform(each).astype(float) for each in (files, test_files))
    A, B = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (A, B))
    pca = PCA().fit(A)
    knn = KNeighborsClassifier(20).fit(pca.transform(A), y)
    return knn.score(pca.transform(B), y_test)


def labels(files, part=0):
    return np.array([file.stem.split("_")[part] for file in files])


def test_numbers_are_those_of_plain_neighbours(script, folder, tmp_path, capsys):
    run(script, folder, tmp_path, "--paper-data", "ESC50", "--paper-backbone",
        "SSAST, SSAST", "--simclr")  # fmt: skip
    shown = capsys.readouterr().out
    assert "32 training, 12 test sounds" in shown
    ours = re.search(r"full, 20-NN, embedding +([\d.]+) +([\d.]+)", shown)
    assert float(ours[2]) == 42.8
    assert re.search(r"full, 20-NN, \+K +[\d.]+ +47.00", shown)
    assert re.search(r"full, 20-NN, \+S +[\d.]+ +45.20", shown)
    train, test = (sorted((folder / part).iterdir()) for part in ("train", "test"))
    expected = accuracy(train, test, labels(train), labels(test), tmp_path / "model")
    assert float(ours[1]) == pytest.approx(100 * expected, abs=0.01)
    assert "BlockWeights: {'kl': " in shown


def test_each_group_is_left_out_in_turn(script, folder, tmp_path, capsys):
    run(script, folder, tmp_path, "--group", "1")
    shown = capsys.readouterr().out
    assert "the mean of 2 splits" in shown
    ours = re.search(r"full, 20-NN, embedding +([\d.]+) +not listed", shown)
    files = np.array([*sorted((folder / "train").iterdir()),
                      *sorted((folder / "test").iterdir())])  # fmt: skip
    groups, y = labels(files, 1), labels(files)
    each = [
        accuracy(
            list(files[groups != out]),
            list(files[groups == out]),
            y[groups != out],
            y[groups == out],
            tmp_path / "model",
        )
        for out in "ab"
    ]
    assert float(ours[1]) == pytest.approx(100 * np.mean(each), abs=0.01)
