"""An objective of one's own, as in the docs."""

import copy

import numpy as np
import pytest
import torch
from fungi_examples import tiny

from skknn import KLObjective
from skknn.gradients import Objective


class DeepCluster(Objective):
    """Cross-entropy with the nearest of k prototypes (F A.4).

    Prototypes are drawn from the latents of some training images.
    """

    name = "deepcluster"
    plain_view = True

    _parameter_constraints = {}

    def __init__(self, n_prototypes=4, temperature=0.1, head_dim=16):
        self.n_prototypes = n_prototypes
        self.temperature = temperature
        self.head_dim = head_dim

    @property
    def n_bank_images(self):
        return 4 * self.n_prototypes

    def make_bank(self, latents, rng):
        return torch.nn.functional.normalize(latents[: self.n_prototypes], dim=1)

    def loss(self, latents, bank):
        z = torch.nn.functional.normalize(latents[:, 0], dim=1)
        scores = z @ bank.T / self.temperature
        return torch.nn.functional.cross_entropy(
            scores, scores.argmax(1).detach(), reduction="none"
        )


def test_an_objective_of_ones_own(tmp_path, X):
    fungi = tiny(objectives=("kl", DeepCluster()), memory=tmp_path).fit(X)
    rows = fungi.transform(X)
    assert list(fungi.feature_slices_) == ["kl", "deepcluster", "embedding"]
    np.testing.assert_array_equal(fungi.transform(X), rows)
    # Against autograd on the network itself, in float64.
    module = copy.deepcopy(fungi.backbone_.module).double()
    layer = module.get_submodule(fungi.layer_).requires_grad_(True)
    assert set(fungi.negatives_) == {"deepcluster"}
    bank = torch.from_numpy(fungi.negatives_["deepcluster"][:4]).double()
    bank = torch.nn.functional.normalize(bank, dim=1)
    weight, bias = (torch.from_numpy(a).double() for a in fungi.heads_["deepcluster"])
    for row, G in enumerate(fungi.gradients(X, "deepcluster")):
        views = torch.from_numpy(fungi.views(X[row : row + 1], "deepcluster"))[0]
        e = torch.nn.functional.normalize(module(views.double()), dim=1)
        z = torch.nn.functional.normalize((e @ weight.T + bias)[0], dim=0)
        p = torch.softmax(bank @ z / 0.1, 0)
        dW, db = torch.autograd.grad(-torch.log(p.max()), [layer.weight, layer.bias])
        expected = torch.cat([dW, db[:, None]], dim=1).flatten().numpy()
        error = np.linalg.norm(G - expected) / np.linalg.norm(expected)
        assert error < 1e-5


def test_a_loss_of_the_wrong_shape_is_reported(X):
    class Summed(KLObjective):
        def loss(self, latents, bank):
            return super().loss(latents, bank).sum()

    fungi = tiny(objectives=(Summed(),)).fit(X)
    with pytest.raises(ValueError, match="Summed.loss returned shape"):
        fungi.transform(X)
