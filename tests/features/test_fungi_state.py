"""FungiTransformer: all fitted or not at all; pickles; the module stays as it was."""

import copy
import pickle

import numpy as np
import pytest
import torch
from fungi_examples import OBJECTIVES, tiny
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skknn import KLObjective
from skknn.modalities import BadImageError


def test_a_failed_fit_leaves_nothing_that_transforms(X, tmp_path):
    """Never a new state beside an old PCA, or half of either."""
    empty = set(vars(tiny()))
    fungi = tiny(n_components=3)
    for bad in ([*X, "missing.png"], X[:1]):
        with pytest.raises(ValueError):
            fungi.fit(bad)
        assert set(vars(fungi)) == empty
        with pytest.raises(NotFittedError):
            fungi.transform(X)
        for name in ("heads_", "negatives_", "layer_", "backbone_", "pca_"):
            assert not hasattr(fungi, name)
    fungi.fit(np.zeros((4, 64)) + np.arange(4)[:, None])
    with pytest.raises(BadImageError, match="row 9"):
        fungi.fit([*X, "missing.png"])
    assert set(vars(fungi)) == empty
    np.testing.assert_array_equal(
        fungi.fit(X).transform(X), tiny(n_components=3).fit_transform(X)
    )


@pytest.mark.parametrize("n_components", [None, 3])
def test_fit_transform_builds_one_network(X, n_components, monkeypatch):
    from skknn.backbones import _extractor
    from skknn.gradients import _blocks

    built = []

    class Counted(_blocks.BlockExtractor):
        def __init__(self, *args, **kwargs):
            built.append("blocks")
            super().__init__(*args, **kwargs)

    def fused_copy(*args, original=_extractor.fused_copy, **kwargs):
        built.append("network")
        return original(*args, **kwargs)

    monkeypatch.setattr(_blocks, "BlockExtractor", Counted)
    monkeypatch.setattr(_extractor, "fused_copy", fused_copy)
    fungi = tiny(n_components=n_components)
    fungi.fit_transform(X)
    assert sorted(built) == ["blocks", "network"]
    fungi.transform(X)
    assert sorted(built) == ["blocks", "network"]


def test_batch_size_after_fit_is_heeded(fitted, rows, X):
    other = copy.copy(fitted)
    for batch_size in (3, 3, "auto"):
        other.set_params(batch_size=batch_size)
        np.testing.assert_allclose(other.transform(X), rows, atol=1e-6)


def test_pickle_is_small_and_gives_the_same_rows(fitted, rows, X):
    data = pickle.dumps(fitted)
    taught = sum(array.nbytes for array in fitted.negatives_.values())
    assert taught > 0 and len(data) < taught + 10_000
    np.testing.assert_array_equal(pickle.loads(data).transform(X), rows)


def test_a_pickle_with_pca_holds_its_components_in_float32(X):
    fungi = tiny(objectives="kl", n_components=6).fit(X)
    rows, data = fungi.transform(X), pickle.dumps(fungi)
    assert fungi.pca_.components_.dtype == np.float32
    assert len(data) < 4 * 6 * 128 + 10_000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.transform(X), rows)
    before = tiny(objectives="kl", n_components=None).fit_transform(X)
    reference = PCA(6, svd_solver="full").fit_transform(before.astype(np.float64))
    np.testing.assert_allclose(rows, reference, atol=1e-6)
    back = again.pca_.inverse_transform(again.pca_.fit_transform(before))
    np.testing.assert_allclose(back.mean(axis=0), before.mean(axis=0), atol=1e-6)


class Fails(KLObjective):
    name = "fails"

    def loss(self, latents, bank):
        raise RuntimeError("on purpose")


def snapshot(module):
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    hooks = [
        (len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
        for part in module.modules()
    ]
    flags = [p.requires_grad for p in module.parameters()]
    grads = [p.grad is None for p in module.parameters()]
    return {k: t.clone() for k, t in tensors.items()}, hooks, flags, grads


@pytest.mark.parametrize("layer", ["auto", "blocks.0.mlp.fc1"])
def test_the_module_is_left_as_it_was(X, layer):
    for objective in ("kl", Fails(), OBJECTIVES[2]):
        fungi = tiny(objectives=(objective,), layer=layer).fit(X)
        before = snapshot(fungi.backbone_.module)
        if isinstance(objective, Fails):
            with pytest.raises(RuntimeError, match="on purpose"):
                fungi.transform(X)
        else:
            fungi.transform(X)
        after = snapshot(fungi.backbone_.module)
        for name, tensor in before[0].items():
            assert torch.equal(tensor, after[0][name])
        assert before[1:] == after[1:]


def test_batch_norm_statistics_stay(X):
    fungi = tiny(backbone="test_efficientnet").fit(X)
    before = snapshot(fungi.backbone_.module)[0]
    fungi.transform(X)
    after = snapshot(fungi.backbone_.module)[0]
    assert any("running_mean" in name for name in before)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name])
