"""torch's generators: seeded within, as they were behind, on every card."""

import numpy as np
import pytest
import torch
from finetuning_examples import labelled_images, tiny

from skknn import BackboneEmbedder
from skknn.utils._torch_random import seeded_torch

IMAGES = np.zeros((1, 20, 20, 3), np.uint8)


class Card:
    """The generator of a stand-in for a card."""

    def __init__(self):
        self.state = torch.zeros(1, dtype=torch.int64)

    def manual_seed(self, seed):
        self.state = torch.full((1,), seed, dtype=torch.int64)


@pytest.fixture
def cards(monkeypatch):
    """Two cards that are in use; seeding all that there may be is an error."""

    def seed_all(seed):
        raise AssertionError("the generators of all cards were seeded")

    found = (Card(), Card())
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "default_generators", found)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seed_all)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda i: found[i].state)
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda state, i: setattr(found[i], "state", state)
    )
    return found


def test_generators_are_seeded_and_left_as_they_were(cards):
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded_torch() as seed:
        seed(7)
        first = torch.rand(3)
        assert [card.state.item() for card in cards] == [7, 7]
        seed(7)
        assert torch.equal(torch.rand(3), first)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
    assert [card.state.item() for card in cards] == [0, 0]


def test_cards_that_nobody_uses_are_left_alone(cards, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with seeded_torch() as seed:
        seed(7)
    assert [card.state.item() for card in cards] == [0, 0]


def test_building_a_backbone_moves_no_generator(cards):
    before = torch.get_rng_state()
    settings = {"weights": None, "image_size": 32, "device": "cpu"}
    BackboneEmbedder("test_resnet", random_state=5, **settings).fit(IMAGES)
    assert torch.equal(torch.get_rng_state(), before)
    assert [card.state.item() for card in cards] == [0, 0]


def test_learning_moves_no_generator(cards):
    X, y = labelled_images()
    before = torch.get_rng_state()
    tiny(epochs=1, device="cpu").fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert [card.state.item() for card in cards] == [0, 0]
