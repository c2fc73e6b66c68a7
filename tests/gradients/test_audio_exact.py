"""Gradients of sounds equal plain float64 autograd, for every family and objective."""

import numpy as np
import pytest
from audio_models import LAYERS, plain_gradients, save_model, sounds
from fungi_references import relative_error, unit

from skknn import AudioBackbone, FungiTransformer
from skknn.gradients import AudioSimCLRObjective

# The last is longer than a window, so that its row is a mean.
X = [*sounds(4), *sounds(1, seed=1, low=1.4, high=1.5)]
SIMCLR = AudioSimCLRObjective(n_views=3, n_negatives=3, head_dim=32, noise=1.0, shift=5)


def fungi_for(folder, **kwargs):
    settings = {
        "objectives": ("kl", SIMCLR),
        "n_components": None,
        "random_state": 0,
        "device": "cpu",
        "precision": "float32",
        "n_jobs": 1,
    }
    seconds = None if "ast" in str(folder) else 0.64
    backbone = AudioBackbone(folder, max_seconds=seconds)
    return FungiTransformer(backbone, **settings | kwargs)


def assert_exact(fungi, pooling, tolerance=1e-5):
    """Gradients against autograd of each sound alone, features against the same R."""
    features = fungi.transform(X)
    for name in ("kl", "simclr"):
        reference = plain_gradients(fungi, X, name, pooling)
        assert np.linalg.norm(reference, axis=1).min() > 0
        assert relative_error(fungi.gradients(X, name), reference) < tolerance, name
        scaled = reference / np.abs(reference).max(axis=1, keepdims=True)
        projected = unit(fungi.project(scaled))
        part = fungi.feature_slices_[name]
        assert relative_error(features[:, part], projected) < tolerance, name


@pytest.mark.parametrize("family", LAYERS)
def test_families(family, tmp_path):
    fungi = fungi_for(save_model(tmp_path / family, family)).fit(X)
    assert fungi.layer_.endswith(LAYERS[family])
    (windows,) = fungi.views(X[-1:], "kl")[0]
    assert len(windows) == 3
    assert_exact(fungi, "cls" if family == "ast" else "mean")


@pytest.mark.parametrize("family", ["ast", "hubert"])
def test_an_earlier_layer_and_mean_pooling(family, tmp_path):
    folder = save_model(tmp_path / family, family)
    fungi = fungi_for(folder).fit(X[:2])
    earlier = fungi.layer_.replace(".2.", ".0.")
    fungi = fungi_for(folder, layer=earlier).fit(X)
    assert fungi.layer_ == earlier
    assert_exact(fungi, "cls" if family == "ast" else "mean")


def test_windows_in_several_passes(tmp_path, monkeypatch):
    """A sound of many windows goes through the network in parts."""
    from skknn.backbones import _audio_network

    folder = save_model(tmp_path / "ast")
    whole = fungi_for(folder).fit(X)
    monkeypatch.setattr(_audio_network, "_NUMBERS", {"cpu": 1})
    parts = fungi_for(folder).fit(X)
    assert_exact(parts, "cls")
    assert relative_error(parts.transform(X), whole.transform(X)) < 1e-5
