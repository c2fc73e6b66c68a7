"""Sounds inside scikit-learn's tools."""

import numpy as np
import pandas as pd
import pytest
from audio_models import RATE, save_model
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import (
    AudioBackbone,
    BackboneEmbedder,
    FungiTransformer,
    KLObjective,
    NeighborSearchCV,
    SoftKNNClassifier,
)


def notes(n):
    """High and low notes in noise."""
    rng, X, y = np.random.default_rng(0), [], []
    for i in range(n):
        time = np.arange(int(RATE * rng.uniform(0.2, 0.4))) / RATE
        tone = np.sin(2 * np.pi * (300, 2500)[i % 2] * rng.uniform(0.8, 1.2) * time)
        X.append(((tone + 0.1 * rng.standard_normal(len(time))) / 4, RATE))
        y.append(("low", "high")[i % 2])
    return X, np.array(y)


X, Y = notes(24)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "ast"
    return BackboneEmbedder(
        AudioBackbone(save_model(folder)), device="cpu", n_jobs=1, memory=folder / "m"
    )


def test_searches_and_scores(embedder):
    pipeline = make_pipeline(embedder, SoftKNNClassifier(3))
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.9
    grid = {"softknnclassifier__n_neighbors": [1, 3, 5]}
    ours = NeighborSearchCV(pipeline, grid, cv=3).fit(X, Y)
    theirs = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    np.testing.assert_array_equal(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )
    search = GridSearchCV(
        pipeline, {"backboneembedder__backbone__pooling": ["cls", "mean"]}, cv=3
    )
    assert search.fit(X, Y).best_score_ > 0.9


def test_a_frame_with_a_column_of_sounds(embedder, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    files = []
    for i, (samples, rate) in enumerate(X):
        files.append(str(tmp_path / f"{i}.flac"))
        soundfile.write(files[-1], samples, rate)
    frame = pd.DataFrame({"file": files, "length": [len(s) for s, _ in X]})
    columns = ColumnTransformer(
        [("sound", embedder, "file"), ("rest", "passthrough", ["length"])]
    )
    model = make_pipeline(columns, StandardScaler(), LogisticRegression())
    assert cross_val_score(model, frame, Y, cv=3).mean() > 0.7
    columns.set_output(transform="pandas")
    found = columns.fit_transform(frame)
    assert found.shape == (24, 25)
    assert found.columns[0] == "sound__backboneembedder0"


def test_stacking_and_gradients(embedder):
    fungi = FungiTransformer(
        embedder.backbone,
        objectives=KLObjective(head_dim=16),
        n_components=8,
        random_state=0,
        device="cpu",
        n_jobs=1,
    )
    model = StackingClassifier(
        [
            ("votes", make_pipeline(fungi, SoftKNNClassifier(3))),
            ("linear", make_pipeline(embedder, LogisticRegression())),
        ],
        cv=3,
    )
    assert model.fit(X, Y).score(X, Y) > 0.9
