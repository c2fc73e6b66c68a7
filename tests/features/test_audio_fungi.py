"""FungiTransformer on sounds: views, names of objectives, cache, processes."""

import os
import pickle

import joblib
import numpy as np
import pytest
import torch
from audio_models import RATE, save_model, sounds
from fungi_examples import close
from numpy.testing import assert_array_equal
from sequence_references import of_sequences
from sklearn.base import clone
from torch import nn

from skknn import (
    AudioBackbone,
    DINOObjective,
    FungiTransformer,
    KLObjective,
    SimCLRObjective,
)
from skknn.backbones import _audio_network
from skknn.gradients import AudioSimCLRObjective, Objective, TextSimCLRObjective
from skknn.modalities import BadSoundError

X = [*sounds(6), *sounds(1, seed=1, low=1.4, high=1.5)]
SIMCLR = AudioSimCLRObjective(n_views=4, n_negatives=3, head_dim=32, shift=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "ast")


def fungi(folder, **kwargs):
    return of_sequences(AudioBackbone(folder), SIMCLR, **kwargs)


@pytest.fixture(scope="module")
def rows(folder):
    return fungi(folder).fit_transform(X)


def test_blocks_are_unit_rows(folder, rows):
    slices = fungi(folder).fit(X).feature_slices_
    assert list(slices) == ["kl", "simclr", "embedding"]
    for part in slices.values():
        norms = np.linalg.norm(rows[:, part].astype(float), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_rows_do_not_depend_on_those_beside_them(folder, rows):
    fitted = fungi(folder).fit(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert close(fitted.transform([X[i] for i in order]), rows[order])
    assert close(np.vstack([fitted.transform([x]) for x in X]), rows)
    assert close(fungi(folder, batch_size=2).fit(X).transform(X), rows)


def test_the_same_call_gives_the_same_bits(folder, rows):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    for n_jobs in (1, 2):
        fitted = fungi(folder, n_jobs=n_jobs).fit(X)
        assert_array_equal(fitted.transform(X), rows)
        assert_array_equal(clone(fitted).fit_transform(X), rows)
    assert_array_equal(torch.random.get_rng_state(), state)
    other = fungi(folder, random_state=1).fit_transform(X)
    for name, part in fitted.feature_slices_.items():
        assert close(other[:, part], rows[:, part]) == (name == "embedding")


def test_samples_at_the_rate_of_the_model_are_the_sounds_that_say_it(folder, rows):
    alone = [samples for samples, rate in X if rate == 16000]
    assert len(alone) == len(X)
    assert_array_equal(fungi(folder).fit_transform(alone), rows)
    fitted = fungi(folder).fit(X)
    for one, other in zip(fitted.views(X, "simclr"), fitted.views(alone, "simclr")):
        for view, same in zip(one, other):
            assert_array_equal(view, same)


def test_views_are_noise_and_a_shift(folder):
    fitted = fungi(folder).fit(X)
    plain, views = fitted.views(X, "kl"), fitted.views(X, "simclr")
    assert plain.shape == (len(X), 1) and views.shape == (len(X), 4)
    shifts, loudness = set(), set()
    for (windows,), of_sound in zip(plain, views):
        assert windows.shape == of_sound[0].shape and windows.dtype == np.float32
        for view in of_sound:
            rest = {s: view - np.roll(windows, s, axis=1) for s in range(-5, 6)}
            # Noise is within 0 and 0.1, and the right shift leaves nothing else.
            fits = [s for s, r in rest.items() if -1e-5 < r.min() and r.max() < 0.1]
            assert len(fits) == 1
            shifts.add(fits[0])
            loudness.add(round(float(rest[fits[0]].max()), 3))
    assert len(shifts) > 5 and len(loudness) > 15


def test_views_depend_on_sound_and_seed_alone(folder):
    def flat(views):
        return [view.tobytes() for of_sound in views for view in of_sound]

    fitted = fungi(folder).fit(X)
    views = flat(fitted.views(X, "simclr"))
    assert flat(fitted.views(X[::-1], "simclr")[::-1]) == views
    assert flat(fungi(folder).fit(X[::-1]).views(X, "simclr")) == views
    other = fungi(folder, random_state=1).fit(X).views(X, "simclr")
    assert not set(flat(other)) & set(views)
    assert len(set(views)) == len(views)


def test_views_of_samples_are_shifted_by_hundredths_of_a_second(tmp_path):
    still = AudioSimCLRObjective(n_views=6, n_negatives=0, noise=0.0, shift=2)
    wave = save_model(tmp_path / "hubert", "hubert")
    fitted = fungi(wave, objectives=still).fit(X[:2])
    found = set()
    for samples, _ in X[:2]:
        ((windows,),) = fungi(wave, objectives="kl").fit(X[:2]).views([samples], "kl")
        for view in fitted.views([samples], "simclr")[0]:
            (steps,) = [
                steps
                for steps in range(-2, 3)
                if np.array_equal(view, np.roll(windows, 160 * steps, axis=1))
            ]
            found.add(steps)
    assert len(found) > 2


def test_names_are_those_of_the_modality(folder):
    fitted = FungiTransformer(
        AudioBackbone(folder), n_components=None, random_state=0, device="cpu"
    ).fit(X)
    assert list(fitted.objectives_) == ["kl", "simclr"]
    assert repr(fitted.objectives_["simclr"]) == "AudioSimCLRObjective()"
    assert fitted.heads_["kl"][0].shape == (768, 24)
    assert fitted.heads_["simclr"][0].shape == (768, 24)
    assert fitted.negatives_["simclr"].shape == (2 * len(X), 768)
    assert fitted.views(X, "simclr").shape == (len(X), 16)
    simclr = fitted.objectives_["simclr"]
    assert (simclr.n_negatives, simclr.temperature) == (64, 0.07)
    with pytest.raises(ValueError, match="'dino' is not defined for sounds"):
        fungi(folder, objectives="dino").fit(X)
    for wrong in (SimCLRObjective(), DINOObjective(), TextSimCLRObjective()):
        with pytest.raises(ValueError, match="takes sounds.*AudioSimCLRObjective"):
            fungi(folder, objectives=(wrong,)).fit(X)
    for name, value in [("noise", -1), ("shift", 0.5), ("n_views", 1)]:
        with pytest.raises(ValueError, match=f"'{name}' parameter.*published"):
            params = {f"objectives__simclr__{name}": value}
            fungi(folder).set_params(**params).fit(X)


class Louder(Objective):
    """Views of one's own: the sound played at two loudnesses."""

    name = "loudness"

    def __init__(self, head_dim=16):
        self.head_dim = head_dim

    def views(self, sound, frame, drawn):
        assert sound.rate == RATE and sound.samples.ndim == 1
        louder = type(sound)(2 * sound.samples, sound.rate)
        return [frame.inputs(sound), frame.inputs(louder)]

    def loss(self, latents, bank):
        return (latents[:, 0] - latents[:, 1]).square().sum(dim=1)


class Shorter(Louder):
    """Views that the network does not take beside each other."""

    def views(self, sound, frame, drawn):
        return [frame.inputs(sound)[:, 1:]] * 2


class Nothing(Louder):
    def views(self, sound, frame, drawn):
        return []


class Uneven(Louder):
    """As many views as there are windows."""

    def views(self, sound, frame, drawn):
        return [frame.inputs(sound)] * len(frame.inputs(sound))


class Lost(Louder):
    """A view that is no number, of sounds of a second and more."""

    def views(self, sound, frame, drawn):
        first, second = super().views(sound, frame, drawn)
        return [first, second * (np.nan if len(sound.samples) > RATE else 1)]


def test_gradients_that_are_no_numbers_are_warned_of(folder):
    fitted = fungi(folder, objectives=("kl", Lost()), on_error="nan").fit(X)
    with pytest.warns(UserWarning) as warned:
        rows = fitted.transform([*X, None])
    first, second = (str(each.message) for each in warned)
    assert first.startswith(
        "The loudness gradient of 1 of 8 rows (first: row 6) is NaN"
    )
    assert "1 of 8 sounds could not be read" in second
    part = fitted.feature_slices_["loudness"]
    assert np.isnan(rows[6:, part]).all() and np.isfinite(rows[:6]).all()


def test_an_objective_of_ones_own(folder):
    fitted = fungi(folder, objectives=("kl", Louder()), include_view_embeddings=True)
    found = fitted.fit_transform(X)
    assert list(fitted.feature_slices_) == [
        "kl",
        "loudness",
        "loudness_views",
        "embedding",
    ]
    assert np.isfinite(found).all()
    with pytest.raises(TypeError, match=r"Nothing.views gave \[\]; .*frame.inputs"):
        fungi(folder, objectives=(Nothing(),)).fit_transform(X)
    with pytest.raises(ValueError, match="Shorter.views gave windows of shape"):
        fungi(folder, objectives=Shorter()).fit_transform(X)
    with pytest.raises(RuntimeError, match="Uneven.views gave .* same number"):
        fungi(folder, objectives=Uneven()).fit_transform(X)


def test_the_cache_keeps_blocks(folder, tmp_path, monkeypatch):
    kept = {"memory": tmp_path}
    stored = fungi(folder, **kept).fit_transform(X)
    assert_array_equal(fungi(folder, **kept).fit_transform(X), stored)
    calls, original = [], _audio_network.AudioNetwork.features

    def features(self, windows, hook=None):
        calls.append(len(windows))
        return original(self, windows, hook)

    monkeypatch.setattr(_audio_network.AudioNetwork, "features", features)
    assert_array_equal(fungi(folder, **kept).fit_transform(X), stored)
    alone = fungi(folder, **kept, objectives=SIMCLR).fit_transform(X)
    assert_array_equal(alone, stored[:, 24:])
    fungi(folder, **kept, n_components=2).fit_transform(X)
    # Only the sound that a loaded network is known by, in each of three fits.
    assert set(calls) == {1} and len(calls) <= 9
    changed = clone(SIMCLR).set_params(noise=0.5)
    other = fungi(folder, **kept, objectives=("kl", changed)).fit_transform(X)
    fresh = fungi(folder, objectives=("kl", changed)).fit_transform(X)
    assert close(other, fresh) and not close(other[:, 24:48], stored[:, 24:48])


def test_processes_give_the_same_rows(folder, rows, tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    # Paths, of the model too, that are relative to this process's folder.
    monkeypatch.chdir(tmp_path)
    for i, (samples, rate) in enumerate(X):
        soundfile.write(f"{i}.wav", samples, rate, subtype="FLOAT")
    many = [f"{i}.wav" for i in range(len(X))] * 10
    fitted = fungi(os.path.relpath(folder)).fit(X)
    with joblib.parallel_config("loky", n_jobs=2):
        assert close(fitted.transform(many), np.tile(rows, (10, 1)))
        with pytest.raises(BadSoundError, match="row 40"):
            fitted.transform([*many[:40], None, *many])


def test_memory_that_runs_out_halves_a_pass(folder, rows, monkeypatch):
    original = _audio_network.AudioNetwork.features

    def small(self, windows, hook=None):
        if len(windows) > 1:
            raise MemoryError("out of memory")
        return original(self, windows, hook)

    fitted = fungi(folder, objectives=KLObjective(head_dim=32)).fit(X)
    monkeypatch.setattr(_audio_network.AudioNetwork, "features", small)
    found = fitted.transform(X)
    assert close(found[:, :24], rows[:, :24]) and close(found[:, 24:], rows[:, 48:])


def test_bad_and_silent_sounds(folder):
    lenient = fungi(folder, on_error="nan", n_components=3)
    with pytest.warns(UserWarning, match="2 of 9 sounds could not be read"):
        found = lenient.fit_transform([None, *X, (np.zeros(0), RATE)])
    assert lenient.failed_ == [0, 8]
    assert np.isnan(found[[0, 8]]).all() and np.isfinite(found[1:8]).all()
    silent = [(np.zeros(n, np.float32), RATE) for n in (1, 5000, 40_000)]
    assert np.isfinite(fungi(folder).fit(X).transform(silent)).all()


class Mixer(nn.Module):
    """A module of one's own: two linear layers over frames."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(20, 16), nn.Linear(16, 6)

    def forward(self, x):
        return self.second(self.first(x).tanh())


def test_a_module_of_ones_own():
    fitted = FungiTransformer(
        AudioBackbone(Mixer(), n_mels=20),
        objectives=(KLObjective(head_dim=8), SIMCLR),
        n_components=None,
        random_state=0,
        device="cpu",
    ).fit(X)
    assert fitted.layer_ == "second"
    rows = fitted.transform(X)
    assert rows.shape == (len(X), 18) and np.isfinite(rows).all()
    # One linear layer under a mean, by hand: the outer product of the loss's slope
    # with the mean input.
    gradients = fitted.gradients(X, "kl").reshape(len(X), 6, 17)
    module = fitted.backbone_.module.double()
    weight, bias = map(torch.from_numpy, fitted.heads_["kl"])
    for (windows,), gradient in zip(fitted.views(X, "kl"), gradients):
        a = module.first(torch.from_numpy(windows).double()).tanh().mean((0, 1))
        e = module.second(a).detach().requires_grad_()
        z = (e / e.norm()) @ weight.double().T + bias.double()
        loss = -(z / 15).log_softmax(-1).mean()
        (slope,) = torch.autograd.grad(loss, e)
        wanted = torch.outer(slope, torch.cat([a, torch.ones(1)])).detach().numpy()
        assert np.linalg.norm(gradient - wanted) < 1e-5 * np.linalg.norm(wanted)


def test_the_module_stays_as_it_is(folder):
    fitted = fungi(folder).fit(X)
    module = fitted.backbone_.module
    state = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(BadSoundError):
        fitted.transform([*X, None])
    fitted.transform(X)
    assert all(
        torch.equal(value, state[key]) for key, value in module.state_dict().items()
    )
    assert not any(p.requires_grad for p in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())
    assert len(pickle.dumps(fitted)) < 1_000_000
