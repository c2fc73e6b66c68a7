"""FungiTransformer: PCA, names, parameters, errors."""

import os

import numpy as np
import pytest
from fungi_examples import tiny
from fungi_references import noise_images
from sklearn.base import clone

from skknn import (
    BlockWeights,
    FungiTransformer,
    KLObjective,
)


def test_pca(fitted, rows, X):
    fungi = tiny(n_components=4)
    reduced = fungi.fit_transform(X)
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    _, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(
        np.sqrt(8 * fungi.pca_.explained_variance_), values[:4], rtol=1e-4
    )
    kept = fungi.pca_.components_
    expected = centred @ kept.T
    np.testing.assert_allclose(np.abs(reduced), np.abs(expected), atol=1e-5)
    np.testing.assert_array_equal(fungi.transform(X), reduced)
    np.testing.assert_array_equal(tiny(n_components=4).fit(X).transform(X), reduced)
    assert fungi.n_components_ == 4 and fungi.get_feature_names_out().shape == (4,)


def test_n_components_is_clipped_with_a_warning(X):
    with pytest.warns(UserWarning, match="'auto' asks for 384 components.*allow 9"):
        assert tiny(n_components="auto").fit(X).n_components_ == 9
    with pytest.raises(ValueError, match="n_samples=1"):
        tiny(n_components=2).fit(X[:1])


def test_projection_dim_and_names(X):
    fungi = tiny(projection_dim=10, objectives=("kl", KLObjective(5.0)))
    rows = fungi.fit_transform(X)
    assert rows.shape == (9, 10 + 10 + 64)
    names = fungi.get_feature_names_out()
    assert names[0] == "kl0" and names[10] == "kl_2_0" and names[-1] == "embedding63"
    assert list(fungi.objectives_) == ["kl", "kl_2"]
    frame = fungi.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == list(names)


def test_names_of_columns_are_unique_whatever_objectives_are_called(X):
    own = [type("Own", (KLObjective,), {"name": name})() for name in ("x", "x1", "x11")]
    fungi = tiny(projection_dim=20, objectives=own).fit(X)
    names = fungi.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == 3 * 20 + 64
    assert names[0] == "x0" and names[20] == "x1_0" and names[40] == "x11_0"
    frame = fungi.set_output(transform="pandas").transform(X)
    found = BlockWeights().fit(frame, np.arange(len(X)) % 2)
    assert list(found.weights_) == ["x", "x1", "x11", "embedding"]


def test_parameters_of_objectives():
    fungi = FungiTransformer()
    assert fungi.get_params()["objectives__kl__temperature"] == 15.0
    fungi.set_params(objectives__kl__temperature=5.0, objectives__dino__n_local=4)
    assert repr(fungi.objectives[0]) == "KLObjective(temperature=5.0)"
    assert fungi.objectives[1].n_local == 4
    copied = clone(fungi)
    copied.set_params(objectives__kl__temperature=1.0)
    assert fungi.objectives[0].temperature == 5.0
    with pytest.raises(ValueError, match="objectives are 'kl', 'dino', 'simclr'"):
        fungi.set_params(objectives__ibot__x=1)
    with pytest.raises(ValueError, match="Invalid parameter 'tau'"):
        fungi.set_params(objectives__kl__tau=1)


def test_nothing_to_extract():
    with pytest.raises(ValueError, match="leaves no features"):
        tiny(objectives=(), include_embedding=False).fit(noise_images(2))
    rows = tiny(objectives=()).fit_transform(noise_images(2))
    assert rows.shape == (2, 64)


def test_unknown_layers_list_the_candidates(X):
    with pytest.raises(ValueError, match=r"is no layer of.*blocks\.5\.attn\.proj"):
        tiny(layer="blocks.9.attn.proj").fit(X)
    with pytest.raises(ValueError, match="is a LayerNorm; allowed are Linear"):
        tiny(layer="norm").fit(X)


def test_too_much_to_look_at_is_refused(fitted, monkeypatch, X):

    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    for method in (fitted.gradients, fitted.views):
        with pytest.raises(MemoryError, match=r"9 images take .* images at a time"):
            method(X, "kl")
    with pytest.raises(ValueError, match="objective='ibot' is not fitted"):
        fitted.views(X, "ibot")


def test_bad_images(fitted, rows, X):
    broken = [X[0], b"no image", X[1]]
    with pytest.raises(ValueError, match="row 1"):
        fitted.transform(broken)
    lenient = tiny(on_error="nan", n_components=2)
    with pytest.warns(UserWarning, match="could not be read"):
        out = lenient.fit_transform([*broken, X[2]])
    assert np.isnan(out[1]).all() and np.isfinite(out[[0, 2, 3]]).all()
    assert lenient.failed_ == [1]
