"""What tests of texts and of sounds share: a small transformer, plain gradients."""

import copy

import numpy as np
import torch
from fungi_references import kl_loss, relative_error, simclr_loss, unit

from skknn import FungiTransformer, KLObjective


def of_sequences(backbone, simclr, **kwargs):
    """A transformer of texts or sounds."""
    settings = {
        "objectives": (KLObjective(head_dim=32), simclr),
        "n_components": None,
        "random_state": 0,
        "device": "cpu",
        "precision": "float32",
        "n_jobs": 1,
    }
    return FungiTransformer(backbone, **settings | kwargs)


def plain_gradients(fungi, X, name, embed):
    """Each item by itself through float64 autograd: gradients (n, m).

    ``embed(module, view)`` is the embedding of one view alone.
    """
    module = copy.deepcopy(fungi.backbone_.module).double()
    layer = module.get_submodule(fungi.layer_)
    layer.requires_grad_(True)
    parameters = [layer.weight, *([] if layer.bias is None else [layer.bias])]
    weight, bias = (torch.from_numpy(each).double() for each in fungi.heads_[name])
    objective, rows = fungi.objectives_[name], []
    for views in fungi.views(X, name):
        found = [embed(module, view) for view in views]
        if objective.normalize_embedding:
            found = [e / e.norm() for e in found]
        z = torch.stack(found) @ weight.T + bias
        if name == "kl":
            loss = kl_loss(z[0], objective.temperature)
        else:
            negatives = torch.from_numpy(fungi.negatives_[name]).double()
            loss = simclr_loss(z, negatives, objective.temperature)
        grads = torch.autograd.grad(loss, parameters)
        columns = [g if g.ndim == 2 else g[:, None] for g in grads]
        rows.append(torch.cat(columns, dim=1).flatten().numpy())
    return np.array(rows)


def assert_exact(fungi, X, embed, tolerance=1e-5, names=("kl", "simclr")):
    """Gradients against autograd of each item alone, features against the same R."""
    features = fungi.transform(X)
    for name in names:
        reference = plain_gradients(fungi, X, name, embed)
        assert np.linalg.norm(reference, axis=1).min() > 0
        assert relative_error(fungi.gradients(X, name), reference) < tolerance, name
        scaled = reference / np.abs(reference).max(axis=1, keepdims=True)
        projected = unit(fungi.project(scaled))
        part = fungi.feature_slices_[name]
        assert relative_error(features[:, part], projected) < tolerance, name
