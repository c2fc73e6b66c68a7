"""How much is computed together follows free memory, in coarse steps."""

import pytest
import torch

from skknn.backbones import _device_memory as memory

CARD = torch.device("cuda:0")


@pytest.fixture
def free(monkeypatch):
    """Says how many bytes a card has left."""

    def say(n_bytes):
        monkeypatch.setattr(memory, "free_bytes", lambda device: n_bytes)

    return say


def test_a_little_more_or_less_memory_changes_nothing(free):
    each = 2 * 1000 * 224**2
    found = set()
    for gigabytes in (8.0, 8.3, 9.1, 9.9, 11.9):
        free(int(gigabytes * 2**30))
        found.add(memory.views_at_once(CARD, (224, 224)))
        assert found == {64} and 64 * each <= gigabytes * 2**30


def test_bounds(free):
    free(2**40)
    assert memory.views_at_once(CARD, (224, 224)) == 256
    assert memory.how_many_fit(CARD, 2**20, 100) == 100
    free(0)
    assert memory.views_at_once(CARD, (224, 224)) == 16
    assert memory.how_many_fit(CARD, 2**20, 100) == 1
    for n in range(1, 100):
        free(n * 2**20)
        fitting = memory.how_many_fit(CARD, 2**20, 100)
        assert n / 2 < fitting <= n and fitting & (fitting - 1) == 0
