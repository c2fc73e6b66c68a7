"""Gradients of sounds equal plain float64 autograd, for every family and objective."""

import pytest
import torch
from audio_models import LAYERS, save_model, sounds
from fungi_references import relative_error
from sequence_references import assert_exact, of_sequences

from skknn import AudioBackbone
from skknn.gradients import AudioSimCLRObjective

# The last is longer than a window, so that its row is a mean.
X = [*sounds(4), *sounds(1, seed=1, low=1.4, high=1.5)]
SIMCLR = AudioSimCLRObjective(n_views=3, n_negatives=3, head_dim=32, noise=1.0, shift=5)


def fungi_for(folder, **kwargs):
    seconds = None if "ast" in str(folder) else 0.64
    backbone = AudioBackbone(folder, max_seconds=seconds)
    return of_sequences(backbone, SIMCLR, objectives=("kl", SIMCLR), **kwargs)


def mean_over(tokens):
    """The embedding of one sound alone: the mean of some tokens, then of windows."""

    def embed(module, windows):
        inputs = torch.from_numpy(windows).double()
        states = [module(each[None]).last_hidden_state[0] for each in inputs]
        return sum(each[tokens].mean(0) for each in states) / len(states)

    return embed


# AST begins with two class tokens.
CLASS_TOKENS, OTHERS, ALL = slice(2), slice(2, None), slice(None)


@pytest.mark.parametrize("family", LAYERS)
def test_families(family, tmp_path):
    fungi = fungi_for(save_model(tmp_path / family, family)).fit(X)
    assert fungi.layer_.endswith(LAYERS[family])
    (windows,) = fungi.views(X[-1:], "kl")[0]
    assert len(windows) == 3
    # Views of the first sound are nearly alike to this WavLM: SimCLR's gradient makes
    # of the network's own rounding (6e-7 of a state) 1.03e-5, of other sounds 2e-6.
    names = ("kl",) if family == "wavlm" else ("kl", "simclr")
    embed = mean_over(CLASS_TOKENS if family == "ast" else ALL)
    assert_exact(fungi, X, embed, names=names)


@pytest.mark.parametrize("family", ["ast", "hubert"])
def test_an_earlier_layer_and_mean_pooling(family, tmp_path):
    folder = save_model(tmp_path / family, family)
    fungi = fungi_for(folder).fit(X[:2])
    earlier = fungi.layer_.replace(".2.", ".0.")
    fungi = fungi_for(folder, layer=earlier).set_params(backbone__pooling="mean")
    assert fungi.fit(X).layer_ == earlier
    assert_exact(fungi, X, mean_over(OTHERS if family == "ast" else ALL))


def test_windows_in_several_passes(tmp_path, monkeypatch):
    """A sound of many windows goes through the network in parts."""
    from skknn.backbones import _audio_network

    folder = save_model(tmp_path / "ast")
    whole = fungi_for(folder).fit(X)
    monkeypatch.setattr(_audio_network, "_NUMBERS", {"cpu": 1})
    parts = fungi_for(folder).fit(X)
    assert_exact(parts, X, mean_over(CLASS_TOKENS))
    assert relative_error(parts.transform(X), whole.transform(X)) < 1e-5
