"""BackboneEmbedder on sounds: rows against the plain module, bad rows, loading."""

import importlib.util
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from audio_models import FAMILIES, RATE, save_model, sounds
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch import nn

from skknn import AudioBackbone, BackboneEmbedder
from skknn.backbones._mel import slaney_filters, slaney_power
from skknn.modalities import BadSoundError, Sound

X = [*sounds(7), *sounds(2, seed=1, low=1.4, high=1.6)]
PACKAGE = importlib.util.find_spec("resemblyzer") is not None
needs_package = pytest.mark.skipif(not PACKAGE, reason="weights are not installed")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {family: save_model(place / family, family) for family in FAMILIES}


def embedder(model, backbone=None, **kwargs):
    settings = {"device": "cpu", "precision": "float32", "n_jobs": 1}
    return BackboneEmbedder(AudioBackbone(model, **backbone or {}), **settings | kwargs)


def close(one, other, tolerance=1e-5):
    return np.abs(np.subtract(one, other)).max() < tolerance * np.abs(other).max()


def plain_rows(module, X, limit, standardise=True):
    """Means over time of what a module of samples makes of each sound alone."""
    rows = []
    for samples, _ in X:
        n = len(samples)
        n_windows = -(-n // limit)
        starts = np.linspace(0, max(0, n - limit), n_windows).round().astype(int)
        found = []
        for start in starts:
            window = samples[start : start + limit].astype(np.float64)
            if standardise:
                window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
            with torch.no_grad():
                states = module(torch.from_numpy(window).float()[None])
            found.append(states.last_hidden_state[0].mean(0).numpy())
        rows.append(np.mean(found, axis=0))
    return np.array(rows)


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-layer", "hubert"])
def test_models_of_samples(folders, family):
    fitted = embedder(folders[family], {"max_seconds": 0.5}).fit(X)
    wanted = plain_rows(fitted.backbone_.module, X, RATE // 2)
    assert close(fitted.transform(X), wanted)
    # An earlier layer, by number and by name.
    first = embedder(folders[family], {"max_seconds": 0.5}, layer=0).fit(X)
    name = first.backbone_.layer
    assert name == "encoder.layers.0"
    assert not close(first.transform(X), wanted, 1e-2)
    named = embedder(folders[family], {"max_seconds": 0.5}, layer=name)
    assert_array_equal(named.fit_transform(X), first.transform(X))


def test_a_folder_says_how_samples_are_prepared(tmp_path):
    plain = save_model(tmp_path / "a", "hubert", preprocessor={"do_normalize": False})
    fitted = embedder(plain).fit(X)
    wanted = plain_rows(fitted.backbone_.module, X, 10 * RATE, standardise=False)
    assert close(fitted.transform(X), wanted)
    half = {"do_normalize": False, "sampling_rate": 8000}
    slower = embedder(save_model(tmp_path / "b", "hubert", preprocessor=half)).fit(X)
    at_half = [(samples[::2], 8000) for samples, _ in X]
    wanted = plain_rows(slower.backbone_.module, at_half, 80_000, standardise=False)
    assert close(slower.transform(at_half), wanted)


def test_ast_is_the_mean_of_class_tokens(folders):
    fitted = embedder(folders["ast"]).fit(X)
    module, front_end = fitted.backbone_.module, fitted.backbone_.front_end
    rows, means = [], []
    for samples, rate in X:
        windows, _ = front_end(Sound(samples, rate))
        assert windows.shape[1:] == (64, 32)
        with torch.no_grad():
            # One window after the other, all of its own.
            states = [module(torch.from_numpy(w)[None])[0][0] for w in windows]
        rows.append(torch.stack([s[:2].mean(0) for s in states]).mean(0).numpy())
        means.append(torch.stack([s[2:].mean(0) for s in states]).mean(0).numpy())
    assert close(fitted.transform(X), rows)
    assert close(embedder(folders["ast"], {"pooling": "mean"}).fit_transform(X), means)


def test_rows_do_not_depend_on_those_beside_them(folders):
    for family in ("ast", "wav2vec2"):
        fitted = embedder(folders[family]).fit(X)
        rows = fitted.transform(X)
        order = np.random.default_rng(0).permutation(len(X))
        assert close(fitted.transform([X[i] for i in order]), rows[order])
        assert close(np.vstack([fitted.transform([x]) for x in X]), rows)
        for batch_size in (1, 3):
            other = embedder(folders[family], batch_size=batch_size)
            assert close(other.fit_transform(X), rows)
        for n_jobs in (1, 2):
            fitted.set_params(n_jobs=n_jobs)
            assert_array_equal(fitted.transform(X), rows)


def test_equal_sounds_in_one_pass(folders):
    """Sounds of equal length share passes, and have the rows they have alone."""
    equal = [(samples[:1600], RATE) for samples, _ in X]
    fitted = embedder(folders["hubert"]).fit(equal)
    rows = fitted.transform(equal)
    assert close(np.vstack([fitted.transform([x]) for x in equal]), rows)
    array = np.stack([samples for samples, _ in equal])
    assert_array_equal(fitted.transform(array), rows)


def test_forms_of_the_same_sounds(folders, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    fitted = embedder(folders["ast"]).fit(X)
    rows = fitted.transform(X)
    files = []
    for i, (samples, rate) in enumerate(X):
        files.append(tmp_path / f"{i}.wav")
        soundfile.write(files[-1], samples, rate, subtype="FLOAT")
    assert_array_equal(fitted.transform(files), rows)
    assert_array_equal(fitted.transform(list(map(str, files))), rows)
    assert_array_equal(fitted.transform([samples for samples, _ in X]), rows)
    stereo = [(np.c_[samples, samples], rate) for samples, rate in X]
    assert close(fitted.transform(stereo), rows)


def test_other_rates_are_heard_as_the_same(folders):
    """A low note at three rates has nearly one row; another note has not."""

    def note(frequency, rate):
        time = np.arange(rate // 2) / rate
        return 0.3 * np.sin(2 * np.pi * frequency * time), rate

    fitted = embedder(folders["wav2vec2"]).fit(X)
    found = fitted.transform(
        [note(440, 16_000), note(440, 8000), note(440, 44_100), note(900, 16_000)]
    )
    near = max(np.linalg.norm(found[0] - found[i]) for i in (1, 2))
    assert near < 0.1 * np.linalg.norm(found[0] - found[3])


def test_short_silent_and_very_long_sounds(folders):
    silence = np.zeros(8000, np.float32)
    long = np.tile(silence, 40)
    odd = [(X[0][0][:1], RATE), (X[0][0][:300], RATE), (silence, RATE), (silence, 8000)]
    for family in ("ast", "wav2vec2"):
        fitted = embedder(folders[family]).fit(X)
        assert np.isfinite(fitted.transform(odd)).all()
    fitted = embedder(folders["ast"]).fit(X)
    with pytest.warns(UserWarning, match="1 of 2 sounds are longer.*max_windows"):
        found = fitted.transform([(silence, RATE), (long, RATE)])
    assert np.isfinite(found).all()
    more = embedder(folders["ast"], {"max_windows": 100}).fit(X)
    assert np.isfinite(more.transform([(long, RATE)])).all()


class Bands(nn.Module):
    """Rows of means over time, through one linear layer."""

    def __init__(self, n_in=20, n_out=6):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.linear = nn.Linear(n_in, n_out)

    def forward(self, x):
        return self.linear(x)


class Maps(nn.Module):
    """Maps of a convolution over frames and bands."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv = nn.Conv2d(1, 5, 3, padding=1)

    def forward(self, x):
        return self.conv(x[:, None])


def test_modules_of_ones_own():
    for module, width in ((Bands(), 6), (Maps(), 5)):
        fitted = embedder(module, {"n_mels": 20}).fit(X)
        found = fitted.transform(X)
        assert found.shape == (len(X), width)
        wanted = []
        for samples, rate in X:
            (window,), _ = fitted.backbone_.front_end(Sound(samples, rate))
            with torch.no_grad():
                states = module(torch.from_numpy(window)[None])[0]
            dims = (1, 2) if states.ndim == 3 else 0
            wanted.append(states.mean(dims).numpy())
        assert close(found, wanted)
        assert clone(fitted).fit(X).backbone_.module is not module
    raw = embedder(Bands(4000), {"front_end": "raw", "rate": 8000})
    X_raw = [samples[:4000] for samples, _ in X if len(samples) >= 4000]
    with pytest.raises(ValueError, match="cannot process sounds"):
        raw.fit(X_raw)
    with pytest.raises(ValueError, match=r"windows of shape \(68, 128\)"):
        embedder(Bands()).fit(X)


def test_raw_modules_get_samples():
    class Powers(nn.Module):
        def forward(self, x):
            return torch.stack([x.square().mean(1), x.abs().amax(1)], dim=1)

    found = embedder(Powers(), {"front_end": "raw"}).fit_transform(X[:7])
    wanted = [[np.mean(s**2), np.abs(s).max()] for s, _ in X[:7]]
    assert_allclose(found, wanted, rtol=1e-5)


@needs_package
def test_the_speaker_encoder_of_the_package():
    fitted = embedder("resemblyzer").fit(X)
    module, filters = fitted.backbone_.module, slaney_filters(RATE, 40)
    assert "resemblyzer" not in sys.modules
    rows = []
    for samples, _ in X:
        level = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
        power = slaney_power(samples * max(1, 10**-1.5 / level), RATE, filters)
        with torch.no_grad():
            x = torch.from_numpy(power).float()[None]
            states = module.lstm(x)[0][:, -1]
            row = torch.relu(states @ module.linear.weight.T + module.linear.bias)
        rows.append((row / row.norm())[0].numpy())
    assert close(fitted.transform(X), rows)
    assert fitted.transform(X).shape == (len(X), 256)


def test_a_package_that_is_not_installed(monkeypatch):
    original = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "resemblyzer" else original(name, *more),
    )
    with pytest.raises(OSError, match=r"skknn\[audio\].*--no-deps resemblyzer"):
        embedder("resemblyzer").fit(X)


def test_folders_that_will_not_do(folders, tmp_path, monkeypatch):
    with pytest.raises(OSError, match="no such folder.*'resemblyzer'"):
        embedder(tmp_path / "none").fit(X)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="without config.json"):
        embedder(tmp_path / "empty").fit(X)
    from text_models import save_model as save_text

    bert = save_text(tmp_path / "bert")
    with pytest.raises(ValueError, match="'bert' are not offered; .*wav2vec 2.0"):
        embedder(bert).fit(X)
    from skknn.backbones import _transformers_folder

    monkeypatch.setattr(_transformers_folder, "hub_answers", lambda: False)
    with pytest.raises(OSError, match="hub cannot be reached.*'resemblyzer'"):
        embedder("nobody/nothing").fit(X)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"skknn\[audio\]"):
        embedder(folders["ast"]).fit(X)


def test_parameters_that_will_not_do(folders):
    for parameters, message in [
        ({"max_seconds": 3.0}, "max_seconds=3.0: this model takes windows of 0.64"),
        ({"front_end": "raw"}, "front_end='raw' is for modules"),
        ({"n_mels": 64}, "n_mels=64 is for modules"),
        ({"rate": 8000}, "rate=8000 is for modules"),
        ({"rate": 10}, "'rate' parameter.*such as 16000"),
        ({"pooling": "avg"}, "'pooling' parameter.*over time"),
        ({"max_windows": 0}, "'max_windows' parameter.*from 1 on"),
        ({"max_seconds": 0}, "'max_seconds' parameter.*None"),
    ]:
        with pytest.raises(ValueError, match=message):
            embedder(folders["ast"], parameters).fit(X)
    with pytest.raises(ValueError, match="no class token"):
        embedder(folders["hubert"], {"pooling": "cls"}).fit(X)
    with pytest.raises(ValueError, match="shorter than a step"):
        embedder(Bands(), {"n_mels": 20, "max_seconds": 1e-9}).fit(X)
    with pytest.raises(TypeError, match="no torch.nn.Module"):
        embedder(len).fit(X)
    with pytest.raises(ValueError, match="image_size=64 is for images.*takes sounds"):
        embedder(folders["ast"], image_size=64).fit(X)


def test_bad_sounds(folders):
    bad = [*X[:3], None, X[3], (np.zeros(0), RATE), "no/file.wav"]
    with pytest.raises(BadSoundError, match="row 3") as caught:
        embedder(folders["ast"]).fit(X).transform(bad)
    assert "row 5" in str(caught.value) and "no/file.wav" in str(caught.value)
    lenient = embedder(folders["ast"], on_error="nan").fit(X)
    with pytest.warns(UserWarning, match="3 of 7 sounds could not be read"):
        found = lenient.transform(bad)
    assert lenient.failed_ == [3, 5, 6]
    assert np.isnan(found[[3, 5, 6]]).all()
    assert_array_equal(found[[0, 1, 2, 4]], lenient.transform(X[:4]))


def test_the_cache_keeps_rows(folders, tmp_path, monkeypatch):
    from skknn.backbones import _audio_network

    kept = {"memory": tmp_path / "rows"}
    rows = embedder(folders["ast"], **kept).fit_transform(X)
    calls, original = [], _audio_network.AudioNetwork.features

    def features(self, windows, hook=None):
        calls.append(len(windows))
        return original(self, windows, hook)

    monkeypatch.setattr(_audio_network.AudioNetwork, "features", features)
    again = embedder(folders["ast"], **kept).fit(X)
    calls.clear()
    assert_array_equal(again.transform(X), rows)
    more = again.transform([*X, *sounds(2, seed=9)])
    assert_array_equal(more[: len(X)], rows)
    assert sum(calls) <= 2 + 2  # two new ones, and what the network is known by
    for change in ({"pooling": "mean"}, {"max_windows": 1}):
        fresh = embedder(folders["ast"], change).fit_transform(X)
        assert_array_equal(
            embedder(folders["ast"], change, **kept).fit_transform(X), fresh
        )


def test_pickles_are_small_and_go_on_elsewhere(folders, tmp_path):
    fitted = embedder(folders["wav2vec2"]).fit(X)
    rows, data = fitted.transform(X[:2]), pickle.dumps(fitted)
    assert len(data) < 100_000
    (tmp_path / "fitted.pkl").write_bytes(data)
    np.savez(tmp_path / "sounds.npz", *[samples for samples, _ in X[:2]])
    code = (
        "import pickle, sys, numpy as np\n"
        "fitted = pickle.load(open('fitted.pkl', 'rb'))\n"
        "sounds = np.load('sounds.npz')\n"
        "X = [(sounds[name], 16000) for name in sounds.files]\n"
        "np.save('rows.npy', fitted.transform(X))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment
    )
    assert_array_equal(np.load(tmp_path / "rows.npy"), rows)
    # Other weights in the same place are refused.
    place = save_model(tmp_path / "model", "wav2vec2")
    fitted = pickle.loads(pickle.dumps(embedder(place).fit(X)))
    save_model(place, "wav2vec2", seed=1)
    with pytest.raises(ValueError, match="gives other features than at fit"):
        fitted.transform(X)


def test_constructing_loads_no_torch():
    code = (
        "import sys\n"
        "from skknn import AudioBackbone, BackboneEmbedder\n"
        "from sklearn.base import clone\n"
        "print(repr(clone(BackboneEmbedder(AudioBackbone(max_seconds=2.0)))))\n"
        "assert not {'torch', 'soundfile', 'scipy.signal'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
