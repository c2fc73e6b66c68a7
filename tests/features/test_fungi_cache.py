"""FungiTransformer: blocks that are stored, runs that resume, long work."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from fungi_examples import OBJECTIVES, tiny
from fungi_references import noise_images
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skknn import (
    DINOObjective,
    KLObjective,
    SimCLRObjective,
)
from skknn.gradients._probe import N_LATENTS


def count_losses(monkeypatch):
    """Count gradients as they are computed: (objective, images)."""
    calls = []
    for cls in (KLObjective, DINOObjective, SimCLRObjective):

        def loss(self, latents, bank, original=cls.loss):
            losses = original(self, latents, bank)
            # Not what the cache asks an objective about.
            if len(losses) != N_LATENTS:
                calls.append((self.name, len(losses)))
            return losses

        monkeypatch.setattr(cls, "loss", loss)
    return calls


def test_cache_stores_blocks(tmp_path, monkeypatch, rows, X):
    calls = count_losses(monkeypatch)
    kept = {"memory": tmp_path, "objectives": OBJECTIVES}
    np.testing.assert_array_equal(tiny(**kept).fit_transform(X), rows)
    assert len(calls) == 3 * 9
    calls.clear()
    # Nothing of this is a reason to compute anything again.
    np.testing.assert_array_equal(tiny(**kept).fit_transform(X), rows)
    for change in ParameterGrid(
        {"n_components": [2, 3], "objectives": [OBJECTIVES, OBJECTIVES[:1]]}
    ):
        tiny(**kept | change).fit_transform(X)
    tiny(**kept, include_embedding=False).fit_transform(X)
    assert calls == []
    # A changed objective computes its own block only.
    changed = (KLObjective(temperature=2.0), *OBJECTIVES[1:])
    other = tiny(**kept | {"objectives": changed}).fit_transform(X)
    assert [name for name, _ in calls] == ["kl"] * 9
    fresh = tiny(objectives=changed).fit_transform(X)
    np.testing.assert_array_equal(other, fresh)
    calls.clear()
    # What a row depends on is never found under other settings.
    for change in (
        {"random_state": 1},
        {"projection_dim": 8},
        {"layer": "blocks.5.mlp.fc1"},
        {"image_size": 16},
    ):
        stored = tiny(**kept | change).fit_transform(X[:2])
        np.testing.assert_array_equal(stored, tiny(**change).fit_transform(X[:2]))
        assert len(calls) == 12
        calls.clear()


def test_grid_search_extracts_each_block_once(tmp_path, monkeypatch):
    X, y = noise_images(12), np.arange(12) % 2
    calls = count_losses(monkeypatch)
    pipe = Pipeline(
        [
            ("fungi", tiny(memory=tmp_path, objectives=("kl",))),
            ("clf", KNeighborsClassifier(1)),
        ]
    )
    grid = {
        "fungi__objectives": [("kl",), ("kl", OBJECTIVES[1])],
        "fungi__n_components": [None, 2, 3],
        "clf__n_neighbors": [1, 2],
    }
    GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert sum(n for name, n in calls if name == "kl") == 12
    assert sum(n for name, n in calls if name == "dino") == 12


def test_a_cache_without_seed_is_useless_and_says_so(tmp_path, X):
    with pytest.warns(UserWarning, match="random_state=None draws new heads"):
        tiny(memory=tmp_path, random_state=None, objectives=("kl",)).fit(X[:2])


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from skknn import DINOObjective, KLObjective, SimCLRObjective
from fungi_references import noise_images
from fungi_examples import tiny
left = [int(sys.argv[3])]
def dying(original):
    def loss(self, latents, bank):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, latents, bank)
    return loss
for cls in (KLObjective, DINOObjective, SimCLRObjective):
    cls.loss = dying(cls.loss)
tiny(memory=sys.argv[2]).fit_transform(noise_images(60))
"""


def test_a_killed_run_resumes(tmp_path, monkeypatch):
    here = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    done = subprocess.run([sys.executable, "-c", KILLED, here, tmp_path, "135"])
    assert done.returncode == -9
    calls = count_losses(monkeypatch)
    X = noise_images(60)
    resumed = tiny(memory=tmp_path).fit_transform(X)
    np.testing.assert_allclose(resumed, tiny().fit_transform(X), atol=1e-6)
    # 44 images were computed when it was killed: at most a batch is redone.
    n_redone = (len(calls) - 3 * 60) / 3
    assert 60 - 44 - 1 <= n_redone <= 60 - 44 + 22


# -- long work


def images_left(out):
    """The number in the estimate."""
    assert "s an image, at most" in out
    return int(re.search(r"for the (\d+) left", out)[1])


def test_progress_and_estimate(capsys):
    X = noise_images(90)
    tiny(verbose=1, batch_size=2, objectives=("kl",)).fit_transform(X)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and 0 < images_left(out) < 90
    assert "90/90" in err
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny(objectives=("kl",)).fit_transform(X[:9])
    assert capsys.readouterr() == ("", "")


def test_the_estimate_does_not_count_cached_images(tmp_path, capsys):
    X = noise_images(60)
    settings = {"batch_size": 2, "objectives": ("kl",), "memory": tmp_path}
    tiny(**settings).fit(X)
    tiny(**settings, verbose=1).fit(X)
    assert capsys.readouterr().out == ""
