"""FungiTransformer on texts: views, names of objectives, cache, processes."""

import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
import torch
from fungi_examples import close
from numpy.testing import assert_array_equal
from sequence_references import of_sequences
from sklearn.base import clone
from text_models import save_model, texts

from skknn import (
    DINOObjective,
    FungiTransformer,
    KLObjective,
    SimCLRObjective,
    TextBackbone,
)
from skknn.backbones import _text_network
from skknn.gradients import Objective, TextSimCLRObjective
from skknn.modalities import BadTextError

X = texts(14, seed=1)
SIMCLR = TextSimCLRObjective(n_views=4, n_negatives=5, head_dim=32, deletion=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "bert")


def fungi(folder, **kwargs):
    return of_sequences(TextBackbone(folder), SIMCLR, **kwargs)


@pytest.fixture(scope="module")
def rows(folder):
    return fungi(folder).fit_transform(X)


def test_blocks_are_unit_rows(folder, rows):
    for part in fungi(folder).fit(X).feature_slices_.values():
        norms = np.linalg.norm(rows[:, part].astype(float), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_rows_do_not_depend_on_those_beside_them(folder, rows):
    fitted = fungi(folder).fit(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert close(fitted.transform([X[i] for i in order]), rows[order])
    assert close(np.vstack([fitted.transform([text]) for text in X]), rows)
    assert close(fitted.transform(X[3:8]), rows[3:8])
    for size in (1, 7):
        other = fungi(folder, batch_size=size).fit(X)
        assert close(other.transform(X), rows)


def test_the_same_call_gives_the_same_bits(folder, rows):
    torch.manual_seed(5)
    np.random.seed(5)
    state = torch.random.get_rng_state(), np.random.get_state()[1]
    for n_jobs in (1, 2, 3):
        fitted = fungi(folder, n_jobs=n_jobs).fit(X)
        assert_array_equal(fitted.transform(X), rows)
        assert_array_equal(fitted.transform(X), rows)
        assert_array_equal(clone(fitted).fit_transform(X), rows)
    assert_array_equal(torch.random.get_rng_state(), state[0])
    assert_array_equal(np.random.get_state()[1], state[1])


def test_another_seed_gives_other_rows(folder, rows):
    other = fungi(folder, random_state=1).fit_transform(X)
    for name, part in fungi(folder).fit(X).feature_slices_.items():
        assert close(other[:, part], rows[:, part]) == (name == "embedding")


def test_rows_in_another_process(folder, rows, tmp_path):
    with open(tmp_path / "fitted.pkl", "wb") as file:
        data = pickle.dumps(fungi(folder).fit(X))
        file.write(data)
    assert len(data) < 1_000_000
    code = (
        "import pickle, sys, numpy as np\n"
        "fitted = pickle.load(open(sys.argv[1], 'rb'))\n"
        "np.save(sys.argv[2], fitted.transform(sys.argv[3:]))\n"
    )
    arguments = [tmp_path / "fitted.pkl", tmp_path / "rows.npy", *X]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    assert_array_equal(np.load(tmp_path / "rows.npy"), rows)


def test_views_are_copies_with_words_left_out(folder):
    fitted = fungi(folder).fit(X)
    views = fitted.views(X, "simclr")
    assert views.shape == (len(X), 4) and views.dtype == object
    assert_array_equal(fitted.views(X, "kl")[:, 0], np.array(X, dtype=object))
    changed = 0
    for text, of_text in zip(X, views):
        for view in of_text:
            rest = iter(text.split())
            assert view and all(word in rest for word in view.split())
            changed += view != text
    assert changed > len(X)


def test_views_depend_on_text_and_seed_alone(folder):
    fitted = fungi(folder).fit(X)
    views = fitted.views(X, "simclr")
    assert_array_equal(fitted.views(X[::-1], "simclr")[::-1], views)
    assert_array_equal(fungi(folder).fit(X[::-1]).views(X, "simclr"), views)
    other = fungi(folder, random_state=1).fit(X).views(X, "simclr")
    assert (other != views).mean() > 0.3


def test_negatives_are_two_views_of_training_texts(folder):
    fitted = fungi(folder).fit(X)
    assert fitted.negatives_["simclr"].shape == (5 * 2, 32)
    few = TextSimCLRObjective(n_views=3, n_negatives=50, n_negative_views=1, head_dim=8)
    fitted = fungi(folder, objectives=few).fit(X)
    negatives = fitted.negatives_["simclr"]
    assert negatives.shape == (len(X), 8)
    # Each is the latent of the first view of a text, in the order that fit drew.
    weight, bias = fitted.heads_["simclr"]
    first = [str(view) for view in fitted.views(X, "simclr")[:, 0]]
    plain = FungiTransformer(
        TextBackbone(folder), objectives=(), n_components=None, device="cpu"
    )
    embedded = plain.fit(first).backbone_
    network = embedded.network()
    latents = []
    for text in first:
        (tokens,) = embedded.tokens_of([text])
        with torch.no_grad():
            e = network.features(torch.from_numpy(tokens)[None].long())[0].numpy()
        latents.append(weight @ e + bias)
    latents = np.array(latents)
    distances = np.linalg.norm(negatives[:, None] - latents[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(len(X)))
    assert distances.min(axis=1).max() < 1e-5


def test_no_negatives(folder):
    alone = TextSimCLRObjective(n_views=3, n_negatives=0, head_dim=8)
    fitted = fungi(folder, objectives=alone).fit(X)
    assert "simclr" not in fitted.negatives_
    assert np.isfinite(fitted.transform(X)).all()


def test_names_are_those_of_the_modality(folder):
    fitted = FungiTransformer(
        TextBackbone(folder), n_components=None, random_state=0, device="cpu"
    ).fit(X)
    assert list(fitted.objectives_) == ["kl", "simclr"]
    assert repr(fitted.objectives_["simclr"]) == "TextSimCLRObjective()"
    assert fitted.heads_["kl"][0].shape == (768, 24)
    assert fitted.heads_["simclr"][0].shape == (256, 24)
    assert fitted.negatives_["simclr"].shape == (2 * len(X), 256)
    assert fitted.views(X, "simclr").shape == (len(X), 12)
    for wrong in ("dino", ("kl", "dino")):
        with pytest.raises(
            ValueError, match="'dino' is not defined for texts.*'simclr'"
        ):
            fungi(folder, objectives=wrong).fit(X)
    with pytest.raises(
        ValueError, match="'kll' is not known. Allowed are 'kl', 'simclr'"
    ):
        fungi(folder, objectives="kll").fit(X)
    for wrong in (SimCLRObjective(), DINOObjective()):
        with pytest.raises(ValueError, match="of images.*takes texts.*TextSimCLRObj"):
            fungi(folder, objectives=(wrong,)).fit(X)
    with pytest.raises(ValueError, match="views of texts.*takes images.*DINOObjective"):
        FungiTransformer("test_vit", weights=None, objectives=SIMCLR).fit(
            np.zeros((2, 8, 8, 3), np.uint8)
        )


def test_parameters_of_objectives_and_backbone_are_reached(folder):
    transformer = FungiTransformer(TextBackbone(folder))
    params = transformer.get_params()
    assert params["objectives__simclr__deletion"] == 0.1
    assert params["backbone__pooling"] == "auto"
    assert not any(name.startswith("objectives__dino") for name in params)
    transformer.set_params(objectives__simclr__deletion=0.5, backbone__max_length=9)
    assert transformer.get_params()["objectives__simclr__deletion"] == 0.5
    assert clone(transformer).backbone.max_length == 9
    with pytest.raises(ValueError, match="deletion"):
        transformer.set_params(objectives__simclr__deletion=1.5).fit(X)


class EveryHalf(Objective):
    """Views of one's own: the first and the second half of the words."""

    name = "halves"

    def __init__(self, head_dim=16):
        self.head_dim = head_dim

    def views(self, text, frame, drawn):
        words = text.split()
        assert frame.max_length == 40
        middle = max(1, len(words) // 2)
        return [" ".join(words[:middle]), " ".join(words[middle:] or words)]

    def loss(self, latents, bank):
        return (latents[:, 0] - latents[:, 1]).square().sum(dim=1)


class Uneven(EveryHalf):
    """As many views as there are words."""

    def views(self, text, frame, drawn):
        return text.split()


class Odd(EveryHalf):
    """Whatever it is told to give, of texts that begin with "the"."""

    odd = None

    def views(self, text, frame, drawn):
        return (
            self.odd if text.startswith("the ") else super().views(text, frame, drawn)
        )


@pytest.mark.parametrize(
    "odd", [None, [], "a text", 3, ["a text", None], ["a text", 3], [b"a", b"text"], {}]
)
def test_views_that_are_no_texts_are_named(folder, odd):
    objective = Odd()
    fitted = fungi(folder, objectives=(objective,)).fit(["a river", "an old river"])
    fitted.set_params(on_error="raise")
    type(objective).odd = odd
    with pytest.raises(TypeError, match=r"Odd\.views gave .*each a text \(str\)"):
        fitted.transform(["a river", "the river"])


def test_an_objective_of_ones_own(folder, rows):
    fitted = fungi(folder, objectives=("kl", EveryHalf()), include_view_embeddings=True)
    fitted.fit(X)
    assert list(fitted.feature_slices_) == ["kl", "halves", "halves_views", "embedding"]
    halves = fitted.views(X, "halves")
    assert [" ".join(pair) for pair in halves if pair[0] != pair[1]] == [
        text for text, pair in zip(X, halves) if pair[0] != pair[1]
    ]
    assert np.isfinite(fitted.transform(X)).all()
    with pytest.raises(RuntimeError, match="Uneven.views gave .* same number"):
        fungi(folder, objectives=Uneven()).fit_transform(X)


def count_texts(monkeypatch):
    """Count the rows of forward passes."""
    calls, original = [], _text_network.TextNetwork.features

    def features(self, tokens, hook=None):
        calls.append(len(tokens))
        return original(self, tokens, hook)

    monkeypatch.setattr(_text_network.TextNetwork, "features", features)
    return calls


def test_the_cache_keeps_blocks(folder, rows, tmp_path, monkeypatch):
    kept = {"memory": tmp_path}
    assert close(fungi(folder, **kept).fit_transform(X), rows)
    stored = fungi(folder, **kept).fit_transform(X)
    calls = count_texts(monkeypatch)
    assert_array_equal(fungi(folder, **kept).fit_transform(X), stored)
    alone = fungi(folder, **kept, objectives=SIMCLR).fit_transform(X)
    assert_array_equal(alone, stored[:, 24:])
    for n_components in (2, 5):
        fungi(folder, **kept, n_components=n_components).fit_transform(X)
    assert sum(calls) < 14  # the one text that a loaded network is known by
    calls.clear()
    # New texts alone are computed; the same text twice once.
    fitted = fungi(folder, **kept).fit(X)
    calls.clear()
    more = fitted.transform([*X, "a new river", "a new river"])
    assert_array_equal(more[: len(X)], stored)
    assert_array_equal(more[-1], more[-2])
    # The network is asked twice, before its rows are looked up and before it works.
    assert sum(calls) == 2 + 4
    # Another setting of a view is another block.
    other = clone(SIMCLR).set_params(deletion=0.2)
    changed = fungi(folder, **kept, objectives=("kl", other)).fit_transform(X)
    assert not close(changed[:, 24:48], stored[:, 24:48])


def test_cached_rows_of_another_setting_are_not_used(folder, tmp_path):
    other = save_model(tmp_path / "m", seed=1)
    for change in ({"pooling": "cls"}, {"max_length": 6}, {"model": other}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fresh = fungi(folder).set_params(
                **{f"backbone__{key}": value for key, value in change.items()}
            )
            kept = clone(fresh).set_params(memory=tmp_path / "rows")
            fungi(folder, memory=tmp_path / "rows").fit_transform(X)
            assert close(kept.fit_transform(X), fresh.fit_transform(X))


def test_processes_give_the_same_rows(folder, rows, tmp_path, monkeypatch):
    many = [*X] * 12
    fitted = fungi(folder, memory=tmp_path / "rows").fit(X)
    # Paths that are relative to this process's folder.
    monkeypatch.chdir(folder.parent)
    relative = fungi(folder.name).fit(X)
    with joblib.parallel_config("loky", n_jobs=2):
        assert close(fitted.transform(many), np.tile(rows, (12, 1)))
        assert close(relative.transform(many), np.tile(rows, (12, 1)))
        with pytest.raises(BadTextError, match="row 20"):
            fitted.transform([*many[:20], None, *many])


def test_progress_counts_texts(folder, capsys):
    fungi(folder, verbose=1).fit_transform(X)
    shown = capsys.readouterr().err
    assert "simclr negatives" in shown and "14/14" in shown and "text" in shown


def test_memory_that_runs_out_halves_a_pass(folder, rows, monkeypatch):
    original = _text_network.TextNetwork.features

    def small(self, tokens, hook=None):
        if len(tokens) > 4:
            raise MemoryError("out of memory")
        return original(self, tokens, hook)

    fitted = fungi(folder).fit(X)
    monkeypatch.setattr(_text_network.TextNetwork, "features", small)
    assert close(fitted.transform(X), rows)
    monkeypatch.setattr(
        _text_network.TextNetwork,
        "features",
        lambda *args: (_ for _ in ()).throw(MemoryError("out of memory")),
    )
    with pytest.warns(UserWarning, match="texts at a time"):
        with pytest.raises(MemoryError, match="a single text"):
            fitted.transform(X)


def test_bad_texts_get_rows_of_nan(folder):
    lenient = fungi(folder, on_error="nan", n_components=4)
    with pytest.warns(UserWarning, match="2 of 16 texts could not be read"):
        found = lenient.fit_transform([None, *X, ""])
    assert lenient.failed_ == [0, 15]
    assert np.isnan(found[[0, 15]]).all() and np.isfinite(found[1:15]).all()
    with pytest.raises(BadTextError, match="rows? .*cannot be used"):
        fungi(folder).fit([None, *X, ""])


def test_the_module_stays_as_it_is(folder):
    fitted = fungi(folder).fit(X)
    module = fitted.backbone_.module
    state = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(BadTextError):
        fitted.transform([*X, None])
    fitted.transform(X)
    assert all(
        torch.equal(value, state[key]) for key, value in module.state_dict().items()
    )
    assert not any(p.requires_grad for p in module.parameters())
    assert not module.training
    assert not any(part._forward_hooks for part in module.modules())


def test_project_and_multiples_of_a_loss(folder):
    class Twice(KLObjective):
        def loss(self, latents, bank):
            return 2e-9 * super().loss(latents, bank)

    both = fungi(folder, objectives=("kl", Twice())).fit(X)
    # Their heads are drawn by name.
    head = both.heads_["kl_2"]
    alone = fungi(folder, objectives=(Twice(),)).fit(X)
    plain = fungi(folder, objectives=(KLObjective(),)).fit(X)
    assert head[0].shape == plain.heads_["kl"][0].shape
    assert close(alone.transform(X), plain.transform(X))
    G = plain.gradients(X, "kl")
    projected = plain.project(G / np.abs(G).max(axis=1, keepdims=True))
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    assert close(plain.transform(X)[:, :24], projected)


def test_constant_texts_and_single_words(folder):
    found = fungi(folder).fit(X).transform(["sea", "sea sea sea sea", "zzz", "?"])
    assert np.isfinite(found).all()
