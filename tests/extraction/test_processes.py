"""Rows spread over joblib's processes, on this machine and on a dask cluster."""

import os

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from skknn import BackboneEmbedder
from skknn.extraction import RowCache, n_processes, n_workers
from skknn.modalities import BadImageError

ARRAYS = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)


def tiny(**kwargs):
    settings = {
        "image_size": 32,
        "weights": None,
        "random_state": 0,
        "device": "cpu",
        "batch_size": 4,
    }
    return BackboneEmbedder("test_resnet", **settings | kwargs)


@pytest.fixture(scope="module")
def expected():
    return tiny().fit_transform(ARRAYS)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield cluster


def check_everywhere(expected, folder, capsys):
    """The same rows, the same errors, into one cache."""
    assert n_processes() == 2
    embedder = tiny(memory=folder / "rows", verbose=1).fit(ARRAYS)
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)
    assert "30/30" in capsys.readouterr().err
    with RowCache(folder / "rows", embedder.backbone_.identity()) as cache:
        assert len(cache) == 30
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)
    X = list(ARRAYS)
    X[17] = folder / "missing.png"
    with pytest.raises(BadImageError, match=r"row 17 \(.*missing.png.*no such file"):
        embedder.transform(X)
    lenient = tiny(on_error="nan").fit(X)
    with pytest.warns(UserWarning, match="1 of 30 images.*\nrow 17"):
        rows = lenient.transform(X)
    assert lenient.failed_ == [17]
    good = np.arange(30) != 17
    assert np.isnan(rows[17]).all()
    np.testing.assert_array_equal(rows[good], expected[good])


def test_loky(expected, tmp_path, capsys):
    with joblib.parallel_config("loky", n_jobs=2):
        check_everywhere(expected, tmp_path, capsys)


def test_dask(expected, tmp_path, capsys, cluster):
    with joblib.parallel_config("dask"):
        check_everywhere(expected, tmp_path, capsys)


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_relative_paths_are_found_by_other_processes(
    container, expected, tmp_path, monkeypatch
):
    with joblib.parallel_config("loky", n_jobs=2):
        # Processes that began in another folder.
        joblib.Parallel()(joblib.delayed(os.getcwd)() for _ in range(2))
        monkeypatch.chdir(tmp_path)
        for i, array in enumerate(ARRAYS):
            Image.fromarray(array).save(f"{i}.png")
        module = tiny().fit(ARRAYS).backbone_.module
        torch.save(module.state_dict(), "weights.pth")
        embedder = tiny(memory="rows", weights="weights.pth").fit(ARRAYS)
        rows = embedder.transform(container([f"{i}.png" for i in range(30)]))
    np.testing.assert_array_equal(rows, expected)
    assert len(list((tmp_path / "rows").glob("rows-*.sqlite"))) == 1
    assert (embedder.memory, embedder.weights) == ("rows", "weights.pth")


def test_flattened_rows(expected):
    X = ARRAYS[..., 0].reshape(30, -1)
    embedder = tiny().fit(X)
    rows = embedder.transform(X)
    with joblib.parallel_config("loky", n_jobs=2):
        np.testing.assert_array_equal(embedder.transform(X), rows)


def test_no_processes_within_processes():
    assert n_processes() == 1
    with joblib.parallel_config("loky", n_jobs=2):
        inside = joblib.Parallel()(joblib.delayed(n_processes)() for _ in range(2))
    assert inside == [1, 1]
    with joblib.parallel_config("threading", n_jobs=4):
        assert n_processes() == 1
    # n_jobs of the estimator means threads, whatever joblib's default backend.
    assert n_workers(3) == 3
    with joblib.parallel_config("threading", n_jobs=4):
        assert n_workers(None) == 4
