"""Learning rates, step by step."""

import math
import warnings

import pytest
import torch

from skknn.finetuning._schedule import Schedule


def rates(n_rows=64, **settings):
    given = {
        "optimizer": "sgd",
        "learning_rate": 0.8,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "epochs": 6,
        "warmup_epochs": 2,
        "batch_size": 32,
    }
    schedule = Schedule(**given | settings)
    parameter = torch.nn.Parameter(torch.zeros(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer, scheduler = schedule.make([parameter], n_rows)
        found = []
        for _ in range(schedule.epochs * schedule.n_batches(n_rows)):
            found.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
    return found


def cosine(peak, n):
    return [peak * (1 + math.cos(math.pi * i / n)) / 2 for i in range(n)]


def test_it_rises_then_falls_as_a_cosine():
    peak = 0.8 * 32 / 256
    rising = [peak * (1 + 4 * i / 4) / 5 for i in range(4)]
    assert rates() == pytest.approx(rising + cosine(peak, 8))


def test_without_warming_up():
    assert rates(warmup_epochs=0) == pytest.approx(cosine(0.1, 12))


def test_a_batch_is_no_larger_than_all_rows():
    assert max(rates(n_rows=8, warmup_epochs=0)) == pytest.approx(0.8 * 8 / 256)


@pytest.mark.parametrize("epochs, n_warm", [(1, 0), (10, 1), (30, 5), (100, 5)])
def test_auto_is_a_sixth_and_five_at_most(epochs, n_warm):
    found = rates(n_rows=32, epochs=epochs, warmup_epochs="auto")
    assert found.index(max(found)) == n_warm


def test_only_warming_up():
    assert len(rates(epochs=2, warmup_epochs=9)) == 4


@pytest.mark.parametrize("name, kind", [("sgd", "SGD"), ("adamw", "AdamW")])
def test_optimizers_are_those_of_torch(name, kind):
    schedule = Schedule(name, 0.1, 0.8, 0.01, 3, 0, 32)
    optimizer, _ = schedule.make([torch.nn.Parameter(torch.zeros(1))], 64)
    assert type(optimizer) is getattr(torch.optim, kind)
    assert optimizer.defaults["weight_decay"] == 0.01
    assert optimizer.defaults.get("momentum", 0.8) == 0.8
