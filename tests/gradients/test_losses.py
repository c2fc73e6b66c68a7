"""The three losses against their formulas, written as loops."""

import math

import numpy as np
import pytest
import torch
from fungi_references import dino_loss, kl_loss, simclr_loss

from skknn import DINOObjective, KLObjective, SimCLRObjective
from skknn.gradients import Objective
from skknn.gradients._random import draw_head, generator
from skknn.gradients._tasks import Task
from skknn.gradients.objectives import resolve_objectives


def latents(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def gradient(function, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


def assert_same_loss(ours, reference, z):
    torch.testing.assert_close(
        ours(z), torch.stack([reference(row) for row in z]), rtol=1e-12, atol=1e-14
    )
    separate = torch.stack([gradient(reference, row) for row in z])
    torch.testing.assert_close(gradient(ours, z), separate, rtol=1e-9, atol=1e-14)


def test_kl():
    z = 20 * latents(3, 1, 11)
    objective = KLObjective(temperature=15.0)
    assert_same_loss(
        lambda z: objective.loss(z, None), lambda row: kl_loss(row[0], 15.0), z
    )


def test_kl_gradient_is_exactly_zero_where_logits_are_uniform():
    for n in (3, 7, 768):
        z = torch.full((2, 1, n), 1.7, dtype=torch.float64)
        objective = KLObjective(head_dim=n)
        assert objective.loss(z, None).abs().max() < 1e-14
        assert (gradient(lambda z: objective.loss(z, None), z) == 0).all()  # noqa: B023


def test_dino():
    student, teacher = latents(3, 5, 13), latents(3, 5, 13, seed=1)
    objective = DINOObjective(n_global=2, n_local=3)
    both = torch.cat([student, teacher], dim=-1)

    def ours(z):
        return objective.loss({"student": z[..., :13], "teacher": z[..., 13:]}, None)

    def reference(z):
        return dino_loss(z[:, :13], z[:, 13:], 2, 0.07, 0.1)

    assert_same_loss(ours, reference, both)
    assert (gradient(ours, both)[..., 13:] == 0).all()


@pytest.mark.parametrize("n_negatives", [0, 1, 30])
def test_simclr(n_negatives):
    z, negatives = latents(3, 5, 8), latents(n_negatives, 8, seed=1)
    objective = SimCLRObjective(temperature=0.07)
    bank = objective.make_bank(negatives, None) if n_negatives else None
    assert_same_loss(
        lambda z: objective.loss(z, bank),
        lambda row: simclr_loss(row, negatives, 0.07),
        z,
    )


def test_simclr_of_identical_views_without_negatives_is_log_v_minus_1():
    for n_views in (2, 9, 49):
        z = latents(1, 1, 8).expand(2, n_views, 8)
        value = SimCLRObjective().loss(z, None)
        torch.testing.assert_close(
            value, torch.full((2,), math.log(n_views - 1), dtype=torch.float64)
        )


def test_simclr_leaves_out_self_similarity():
    # One view more, which resembles itself only, must not count as its own pair.
    z = torch.eye(4, dtype=torch.float64)[None]
    loss = SimCLRObjective(temperature=0.01).loss(z, None)
    torch.testing.assert_close(loss, torch.tensor([math.log(3)], dtype=torch.float64))


def test_losses_do_not_overflow_at_small_temperatures():
    z = latents(1, 9, 8)
    bank = SimCLRObjective().make_bank(latents(20, 8, seed=1), None)
    assert SimCLRObjective(temperature=1e-4).loss(z, bank).isfinite().all()


@pytest.mark.parametrize("name", ["dino", "simclr"])
def test_gradients_do_not_depend_on_the_order_of_views(name):
    if name == "dino":
        objective = DINOObjective(n_global=2, n_local=4)
        order = torch.tensor([1, 0, 4, 2, 5, 3])
        z = latents(2, 6, 16)

        def loss(z):
            return objective.loss({"student": z[..., :8], "teacher": z[..., 8:]}, None)
    else:
        objective = SimCLRObjective()
        bank = objective.make_bank(latents(12, 8, seed=3), None)
        order = torch.tensor([3, 1, 5, 0, 2, 4])
        z = latents(2, 6, 8)

        def loss(z):
            return objective.loss(z, bank)

    torch.testing.assert_close(gradient(loss, z[:, order]), gradient(loss, z)[:, order])


def test_one_image_never_sees_another():
    for objective, z in [
        (KLObjective(), latents(3, 1, 8)),
        (SimCLRObjective(), latents(3, 4, 8)),
    ]:
        changed = z.clone()
        changed[1:] += 1
        same = gradient(lambda z: objective.loss(z, None), z)[0]  # noqa: B023
        other = gradient(lambda z: objective.loss(z, None), changed)[0]  # noqa: B023
        torch.testing.assert_close(same, other, rtol=0, atol=0)


class Scaled(KLObjective):
    name = "scaled"

    def __init__(self, temperature=15.0, head_dim=768, factor=1.0):
        super().__init__(temperature, head_dim)
        self.factor = factor

    def loss(self, latents, bank):
        return self.factor * super().loss(latents, bank)


def slopes(objective, embeddings):
    head = {"head": draw_head(generator(0, "head"), embeddings.shape[-1], 16)}
    task = Task(objective, head, None, None, torch.device("cpu"))
    return task.slopes(embeddings)


@pytest.mark.parametrize("factor", [1e-30, 3.0, 1e200])
def test_multiplying_a_loss_changes_no_direction(factor):
    e = latents(3, 1, 12).float()
    one, exponents = slopes(Scaled(head_dim=16), e)
    other, other_exponents = slopes(Scaled(head_dim=16, factor=factor), e)
    ratio = other / one
    torch.testing.assert_close(
        ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6, atol=0
    )
    np.testing.assert_allclose(
        2.0 ** (other_exponents - exponents).numpy() * ratio[:, 0, 0].numpy(),
        factor,
        rtol=1e-5,
    )
    assert (1 <= other.abs().amax((1, 2))).all() and (other.abs() < 2 + 1e-6).all()


def test_heads_are_drawn_as_torch_draws_linear_layers():
    weight, bias = draw_head(generator(0, "head"), 100, 500)
    assert weight.shape == (500, 100) and bias.shape == (500,)
    linear = torch.nn.Linear(100, 500)
    for ours, theirs in [(weight, linear.weight), (bias, linear.bias)]:
        assert np.abs(ours).max() <= 0.1
        theirs = theirs.detach().numpy()
        np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.1)
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
    # numpy's own way from the raw bits to numbers, on processors that fuse nothing.
    rng, bound = generator(0, "head"), 0.1
    np.testing.assert_allclose(weight, rng.uniform(-bound, bound, (500, 100)), 1e-6)
    np.testing.assert_allclose(bias, rng.uniform(-bound, bound, 500), 1e-6)
    same, _ = draw_head(generator(0, "head"), 100, 500)
    other, _ = draw_head(generator(1, "head"), 100, 500)
    assert (same == weight).all() and (other != weight).any()


def test_resolving_names_and_duplicates():
    resolved = resolve_objectives(("kl", KLObjective(temperature=1.0), "simclr"))
    assert list(resolved) == ["kl", "kl_2", "simclr"]
    assert resolved["kl_2"].temperature == 1.0
    assert list(resolve_objectives("dino")) == ["dino"]
    with pytest.raises(ValueError, match="'klx' is not known.*'kl', 'dino', 'simclr'"):
        resolve_objectives(("klx",))
    with pytest.raises(TypeError, match="neither a name nor an Objective"):
        resolve_objectives((KLObjective,))
    with pytest.raises(ValueError, match="'temperature' parameter of KLObjective"):
        resolve_objectives((KLObjective(temperature=0),))


@pytest.mark.parametrize("objective", [KLObjective, DINOObjective, SimCLRObjective])
def test_objectives_are_plain_parameter_objects(objective):
    from sklearn.base import clone

    default = objective()
    assert repr(default) == f"{objective.__name__}()"
    assert clone(default).get_params() == default.get_params()
    assert isinstance(default, Objective)
    changed = clone(default).set_params(head_dim=5)
    assert changed.head_dim == 5 and default.head_dim != 5
