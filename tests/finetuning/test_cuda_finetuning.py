"""Fine-tuning on a CUDA device against the CPU's."""

import pickle

import numpy as np
import pytest
import torch
from finetuning_examples import labelled_images, tiny

pytestmark = pytest.mark.gpu

X, Y = labelled_images()
SETTINGS = dict(alpha=0.5, tau=1.0, n_neighbors=15, epochs=3)


def history(model):
    names = ("loss", "learning_rate", "mean_weight", "mean_knn_proba")
    return np.array([[epoch[name] for name in names] for epoch in model.history_])


def test_float32_trains_as_on_the_cpu():
    expected = tiny(**SETTINGS).fit(X, Y)
    found = tiny(**SETTINGS, device="cuda", precision="float32").fit(X, Y)
    np.testing.assert_allclose(history(found), history(expected), rtol=1e-3)
    assert np.abs(found.predict_proba(X) - expected.predict_proba(X)).max() < 1e-2


def test_bfloat16_keeps_weights_in_float32_and_learns():
    model = tiny(epochs=20, learning_rate=5.0, device="cuda").fit(X, Y)
    assert model.backbone_.precision == "bf16"
    dtypes = {p.dtype for p in model.backbone_.module.parameters()}
    assert dtypes == {torch.float32} == {p.dtype for p in model.head_.parameters()}
    losses = [epoch["loss"] for epoch in model.history_]
    assert losses[-1] < 0.8 * losses[0]


def test_checkpoints_go_on(tmp_path):
    whole = tiny(device="cuda", memory=tmp_path).fit(X, Y)
    again = tiny(device="cuda", memory=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(history(again), history(whole))


def test_pickles_load_without_the_device(monkeypatch):
    model = tiny(device="cuda", precision="float32", epochs=1).fit(X, Y)
    expected, data = model.transform(X), pickle.dumps(model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.warns(UserWarning, match="best device here"):
        found = pickle.loads(data).transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
