"""Objectives of one's own need a loss and a name, and no more."""

import numpy as np
import pytest

from skknn import FungiTransformer
from skknn.gradients import Objective


class Loudness(Objective):
    name = "loudness"
    plain_view = True

    def __init__(self, head_dim=8):
        self.head_dim = head_dim

    def loss(self, latents, bank):
        return latents[:, 0].square().sum(dim=1)


def test_an_objective_without_constraints_is_fitted():
    images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    transformer = FungiTransformer(
        "test_vit", weights=None, random_state=0, image_size=32,
        objectives=(Loudness(),), n_components=None,
    )  # fmt: skip
    rows = transformer.fit_transform(images)
    gradients = rows[:, transformer.feature_slices_["loudness"]]
    assert len(np.unique(gradients, axis=0)) == 4 and np.isfinite(rows).all()


class Detached(Loudness):
    def loss(self, latents, bank):
        return super().loss(latents.detach(), bank)


class Numpy(Loudness):
    def loss(self, latents, bank):
        return super().loss(latents, bank).detach().numpy()


class Rooted(Loudness):
    """The slope of a root is infinite at zero, which times zero is NaN."""

    def loss(self, latents, bank):
        return (super().loss(latents, bank) * 0).sqrt()


class Summed(Loudness):
    def loss(self, latents, bank):
        return super().loss(latents, bank).sum()


@pytest.mark.parametrize(
    "objective, message",
    [
        (Detached(), r"Detached\.loss returned a value without gradient.*detach\(\)"),
        (Summed(), r"Summed\.loss returned shape \(\).*one loss an item"),
        (Numpy(), r"Numpy\.loss returned a value without gradient.*numpy\(\)"),
        (Rooted(), r"Rooted\.loss, or its gradient, is NaN or infinite"),
    ],
)
def test_a_loss_that_will_not_do_is_named(objective, message):
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    transformer = FungiTransformer(
        "test_vit", weights=None, image_size=32, objectives=(objective,)
    )
    with pytest.raises(ValueError, match=message):
        transformer.fit(images)
