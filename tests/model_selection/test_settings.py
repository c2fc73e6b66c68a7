"""Settings with equal effect are computed once, whatever copies were made of them."""

import copy
import functools
import gc
import weakref

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skknn import BackboneEmbedder, NeighborSearchCV, SoftKNNClassifier

torch = pytest.importorskip("torch")


class Network(torch.nn.Module):
    """Counts the images that pass, over all copies, and knows all that live."""

    n_images = most_alive = 0
    alive = weakref.WeakSet()

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 8 * 8, 6)
        self.alive.add(self)

    def __deepcopy__(self, memo):
        copy = type(self)()
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)

    def forward(self, x):
        Network.n_images += len(x)
        Network.most_alive = max(Network.most_alive, len(Network.alive))
        return self.layer(x.flatten(1))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    pixels = rng.integers(0, 120, (30, 8, 8, 3)) + 100 * y[:, None, None, None]
    return pixels.astype(np.uint8), y


def pipeline(network):
    embedder = BackboneEmbedder(network, image_size=8, device="cpu")
    return Pipeline(
        [("embed", embedder), ("pca", PCA()), ("clf", SoftKNNClassifier(3))]
    )


def embedded(network, grid, images):
    Network.n_images = 0
    search = NeighborSearchCV(pipeline(network), grid, cv=3, refit=False)
    search.fit(*images)
    return Network.n_images, search


def test_each_fold_passes_once_through_a_module(images):
    torch.manual_seed(0)
    network = Network().eval()
    n_images, _ = embedded(network, {"clf__k": [1, 3]}, images)
    again, _ = embedded(network, {"pca__n_components": [2, 3, 4]}, images)
    assert again == n_images >= 3 * 30


def test_copies_of_a_module_do_not_pile_up(images):
    torch.manual_seed(0)
    network = Network().eval()
    counts = []
    for grid in ([2], [2, 3, 4, 5]):
        gc.collect()
        Network.most_alive = 0
        embedded(network, {"pca__n_components": grid}, images)
        counts.append(Network.most_alive)
    assert counts[0] == counts[1]


def test_modules_that_differ_are_told_apart(images):
    torch.manual_seed(0)
    one, other = Network().eval(), Network().eval()
    n_images, _ = embedded(one, {"clf__k": [1]}, images)
    both, search = embedded(one, {"embed__backbone": [one, other]}, images)
    assert both == 2 * n_images
    # Another number in the same module, between two searches, is another module.
    with torch.no_grad():
        other.load_state_dict(one.state_dict())
    same, _ = embedded(one, {"embed__backbone": [one, other]}, images)
    assert same == n_images


class Activated(torch.nn.Module):
    """Holds a function that no digest of tensors and settings sees."""

    n_images = 0

    def __init__(self, function):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 8 * 8, 6)
        self.function = function

    def forward(self, x):
        Activated.n_images += len(x)
        return self.function(self.layer(x.flatten(1)))


def test_modules_that_differ_in_a_function_are_told_apart(images):
    torch.manual_seed(0)
    one = Activated(torch.nn.functional.gelu).eval()
    other = copy.deepcopy(one)
    other.function = torch.nn.functional.silu
    scores = {}
    for networks in ((one,), (other,), (one, other)):
        Activated.n_images = 0
        search = NeighborSearchCV(
            pipeline(one), {"embed__backbone": networks}, cv=3, refit=False,
            scoring="neg_log_loss",
        ).fit(*images)  # fmt: skip
        scores[networks] = Activated.n_images, *search.cv_results_["mean_test_score"]
    assert scores[one, other][0] == scores[one,][0] + scores[other,][0]
    assert scores[one, other][1:] == (scores[one,][1], scores[other,][1])
    assert scores[one,][1] != scores[other,][1]


class Scale:
    """A callable with state, of which every clone makes a copy."""

    n_calls = 0

    def __init__(self, by):
        self.by = by

    def __call__(self, X):
        Scale.n_calls += 1
        return X * self.by


def shift(X, by):
    Scale.n_calls += 1
    return X + by


@pytest.mark.parametrize("function", [Scale(2.0), functools.partial(shift, by=1.0)])
def test_callables_with_a_state_are_told_by_it(function, digits):
    X, y = digits[0][:120], digits[1][:120]
    pipe = Pipeline(
        [
            ("call", FunctionTransformer(function)),
            ("pca", PCA()),
            ("clf", SoftKNNClassifier(3)),
        ]
    )
    Scale.n_calls = 0
    grid = {"pca__n_components": [4, 8, 16]}
    NeighborSearchCV(pipe, grid, cv=3, refit=False).fit(X, y)
    assert Scale.n_calls == 3 * 2
