"""Modules and their clones have one key; modules that differ have their own."""

import copy
import functools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skknn import BackboneEmbedder
from skknn.utils._module_key import module_key


class Net(nn.Module):
    def __init__(self, seed=0, extra=None):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.extra = extra

    def forward(self, x):
        return self.layers(x).mean((2, 3))


def double(x):
    return 2 * x


EXTRAS = {
    "nothing": None,
    "number": 1.5,
    "array": np.arange(3000.0),
    "tensor": torch.arange(5),
    "dict": {"a": [1, (2, "b")], "c": {"x", "y"}},
    "function": double,
    "lambda": lambda x: 3 * x,
    "partial": functools.partial(double, 2),
    "complex": torch.ones(2, dtype=torch.complex64),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_clones_have_the_key_of_the_original(name):
    net = Net(extra=EXTRAS[name])
    key = module_key(net)
    assert key is not None
    assert module_key(copy.deepcopy(net)) == key
    embedder = clone(clone(BackboneEmbedder(net)))
    assert module_key(embedder.backbone) == key


@pytest.mark.parametrize("kind", [set, frozenset])
def test_sets_in_any_order(kind):
    """0 and 8 want the same place: the first to come has it."""
    one, other = kind([0, 8]), kind([8, 0])
    assert one == other and list(one) != list(other)
    for wrap in (lambda each: each, lambda each: [{"a": (each, "b")}]):
        key = module_key(Net(extra=wrap(one)))
        assert key == module_key(Net(extra=wrap(other))) is not None
        assert key != module_key(Net(extra=wrap(kind([0, 9]))))
        assert key != module_key(Net(extra=wrap([0, 8])))
    words = kind([frozenset([0, 8]), "b"]), kind(["b", frozenset([8, 0])])
    assert module_key(Net(extra=words[0])) == module_key(Net(extra=words[1]))
    assert module_key(Net(extra=kind([lambda: 0]))) is not None


def test_classes_that_cannot_be_imported():
    class Own(Net):
        pass

    class Other(Net):
        pass

    assert module_key(copy.deepcopy(Own())) == module_key(Own()) is not None
    assert module_key(Own()) != module_key(Other())


def test_hooks_are_part_of_it():
    net = Net()
    key = module_key(net)
    net.layers.register_forward_hook(lambda part, args, out: out + 1)
    assert module_key(net) not in (key, None)
    assert module_key(copy.deepcopy(net)) == module_key(net)


def test_modules_that_differ():
    nets = [Net(extra=extra) for extra in EXTRAS.values()]
    nets += [Net(seed=1), Net().train(False), nn.Sequential(Net())]
    changed = Net()
    with torch.no_grad():
        changed.layers[1].running_mean[2] += 1e-6
    long = np.arange(3000.0)
    long[1500] += 1e-9
    nets += [changed, Net(extra=long), Net().to(torch.float64)]
    keys = [module_key(net) for net in nets]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_everything_else_has_none():
    class Closed(nn.Module):
        def __reduce__(self):
            raise TypeError("not to be pickled")

    for value in (None, 3, "name", nn.Linear, double, np.ones(3), Closed()):
        assert module_key(value) is None
