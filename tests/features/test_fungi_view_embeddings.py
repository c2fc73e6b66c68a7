"""FungiTransformer(include_view_embeddings=True): blocks that cost no forward."""

import copy

import numpy as np
import pytest
import torch
from fungi_examples import OBJECTIVES, tiny
from fungi_references import noise_images, unit

from skknn import DINOObjective, SimCLRObjective
from skknn.backbones._network import Network
from skknn.gradients import Objective

NAMES = ["kl", "dino", "simclr", "dino_views", "simclr_views", "embedding"]


@pytest.fixture(scope="module")
def with_views(X):
    return tiny(include_view_embeddings=True).fit(X)


@pytest.fixture(scope="module")
def view_rows(with_views, X):
    return with_views.transform(X)


@pytest.fixture
def passes(monkeypatch):
    """Numbers of views that pass through a network, a forward pass an entry."""
    counts = []

    def normalize(self, pixels, original=Network.normalize):
        counts.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Network, "normalize", normalize)
    return counts


def reference(fungi, X, objective):
    """Each view through the network by itself in float64, then the mean."""
    network = copy.deepcopy(fungi.backbone_.module).double()
    rows = []
    for image in X:
        views = fungi.views([image], objective)
        views = views if isinstance(views, list) else [views]
        vectors = []
        with torch.no_grad():
            for part in views:
                for view in part[0]:
                    e = network(torch.from_numpy(view)[None].double())[0].numpy()
                    vectors.append(e / np.sqrt((e * e).sum()))
        total = sum(vectors)
        rows.append(total / np.sqrt((total * total).sum()))
    return np.stack(rows)


def test_order_widths_and_names(with_views, view_rows, rows, fitted):
    assert list(with_views.feature_slices_) == NAMES
    assert view_rows.shape == (9, 6 * 64)
    names = with_views.get_feature_names_out()
    assert names[3 * 64] == "dino_views0" and names[-1] == "embedding63"
    # Other blocks are as they are without.
    for name, part in fitted.feature_slices_.items():
        mine = view_rows[:, with_views.feature_slices_[name]]
        np.testing.assert_array_equal(mine, rows[:, part])


@pytest.mark.parametrize("objective", ["dino", "simclr"])
def test_mean_of_unit_embeddings_of_each_view(with_views, view_rows, X, objective):
    mine = view_rows[:, with_views.feature_slices_[f"{objective}_views"]]
    np.testing.assert_allclose(unit(mine), mine, atol=1e-6)
    again = tiny(include_view_embeddings=True).fit(X)
    np.testing.assert_allclose(mine, reference(again, X, objective), atol=2e-5)


def test_views_of_two_sizes():
    X = noise_images(3)
    fungi = tiny(
        objectives=(DINOObjective(n_local=2, head_dim=8),),
        include_view_embeddings=True,
        view_size=16,
        backbone_params={"dynamic_img_size": True},
    ).fit(X)
    mine = fungi.transform(X)[:, fungi.feature_slices_["dino_views"]]
    assert len(fungi.views(X[:1], "dino")) == 2
    np.testing.assert_allclose(mine, reference(fungi, X, "dino"), atol=2e-5)


@pytest.mark.parametrize("extra", [False, True])
def test_no_forward_pass_more(passes, X, extra):
    fungi = tiny(include_view_embeddings=extra).fit(X)
    fungi.transform(X[:1])  # what is measured once of a network
    passes.clear()
    fungi.transform(X)
    assert sum(passes) == len(X) * (1 + 4 + 9)


def test_batches_and_threads_change_nothing(with_views, view_rows, X):
    other = tiny(include_view_embeddings=True, n_jobs=2).fit(X)
    np.testing.assert_array_equal(other.transform(X), view_rows)
    # As for the other blocks, a pass of fewer views rounds otherwise.
    small = tiny(include_view_embeddings=True, batch_size=2).fit(X)
    np.testing.assert_allclose(small.transform(X), view_rows, atol=1e-6)
    part = [with_views.feature_slices_[f"{name}_views"] for name in ("dino", "simclr")]
    one = with_views.transform(X[4:5])
    for columns in part:
        np.testing.assert_array_equal(one[:, columns], view_rows[4:5, columns])


def test_a_cache_of_gradients_is_completed_by_forwards_alone(
    tmp_path, monkeypatch, passes, view_rows, X
):
    kept = {"memory": tmp_path}
    tiny(**kept).fit_transform(X)
    losses = []
    for cls in (DINOObjective, SimCLRObjective):

        def loss(self, latents, bank, original=cls.loss):
            losses.append(len(latents))
            return original(self, latents, bank)

        monkeypatch.setattr(cls, "loss", loss)
    fungi = tiny(**kept, include_view_embeddings=True).fit(X)
    losses.clear()
    passes.clear()
    np.testing.assert_array_equal(fungi.transform(X), view_rows)
    # What the cache asks the objectives about are two made-up images at a time.
    assert 1 not in losses
    assert sum(passes) >= len(X) * (4 + 9)
    # Everything is there now, also for others that leave blocks out.
    part = tiny(**kept, include_view_embeddings=True, include_embedding=False).fit(X)
    passes.clear()
    np.testing.assert_array_equal(fungi.transform(X), view_rows)
    np.testing.assert_array_equal(part.transform(X), view_rows[:, : 5 * 64])
    # A few pictures by which the cache recognises a network.
    assert sum(passes) < 2 * 13


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"objectives": ("kl", DINOObjective(n_local=3, head_dim=32))},
        {"image_size": 16},
        {"pooling": "avg"},
    ],
    ids=str,
)
def test_a_cache_is_not_misread(tmp_path, X, change):
    base = {"include_view_embeddings": True, "objectives": OBJECTIVES[:2]}
    tiny(**base, memory=tmp_path).fit_transform(X[:3])
    changed = base | change
    np.testing.assert_array_equal(
        tiny(**changed, memory=tmp_path).fit_transform(X[:3]),
        tiny(**changed).fit_transform(X[:3]),
    )


class Namesake(Objective):
    name = "dino_views"
    plain_view = True
    _parameter_constraints = {}

    def __init__(self, head_dim=4):
        self.head_dim = head_dim

    def loss(self, latents, bank):
        return latents.square().sum((1, 2))


def test_an_objective_with_the_name_of_a_block_of_views(X):
    objectives = ("dino", Namesake())
    tiny(objectives=objectives).fit(X[:2])
    with pytest.raises(ValueError, match="'dino_views' is also the name"):
        tiny(objectives=objectives, include_view_embeddings=True).fit(X[:2])


def test_without_views_of_their_own_there_is_no_such_block(X):
    fungi = tiny(objectives=("kl",), include_view_embeddings=True).fit(X)
    assert list(fungi.feature_slices_) == ["kl", "embedding"]
