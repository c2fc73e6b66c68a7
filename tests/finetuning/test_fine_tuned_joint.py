"""FineTunedJointClassifier against plain loops, and what it promises."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from finetuning_examples import TinyNetwork, labelled_images, tiny
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from torch.nn.functional import cross_entropy

from skknn import (
    BackboneEmbedder,
    FungiTransformer,
    InContextSegmenter,
    SoftKNNClassifier,
    TextBackbone,
)
from skknn.modalities import BadImageError

X, Y = labelled_images()
CODES = np.unique(Y, return_inverse=True)[1]
# What does not depend on the clock.
COMPARED = ("epoch", "loss", "learning_rate", "mean_weight", "mean_knn_proba")


def columns(history, names=COMPARED):
    return np.array([[epoch[name] for name in names] for epoch in history])


def weights_of(model):
    return [p.detach().numpy().copy() for p in model.backbone_.module.parameters()]


def reference(alpha, refresh, epochs, rate, n_neighbors, tau, **params):
    """R, A.5, in float64 with plain loops: full batches of evaluation images.

    Begins at the weights of a model of one epoch whose steps have no size.
    """
    start = tiny(augment=False, batch_size=len(X), epochs=1, learning_rate=1e-30,
                 weight_decay=0, **params).fit(X, Y)  # fmt: skip
    network = start.backbone_.module.double()
    head = torch.nn.Linear(start.head_.in_features, 3).double()
    head.load_state_dict(start.head_.state_dict())
    prepared = [start.backbone_.prepare(Image.fromarray(image)) for image in X]
    pixels = torch.stack(prepared).double() / 255
    mean = torch.tensor(start.backbone_.data_config["mean"]).view(1, 3, 1, 1)
    std = torch.tensor(start.backbone_.data_config["std"]).view(1, 3, 1, 1)
    x = (pixels - mean) / std
    learning = [*network.requires_grad_(True).parameters(), *head.parameters()]
    velocity = [torch.zeros_like(p) for p in learning]
    losses, weights = [], np.ones(len(X))
    for epoch in range(epochs):
        with torch.no_grad():
            rows = network(x).numpy()
        if alpha and (refresh == "epoch" or epoch == 0):
            weights = loo_weights(rows, alpha, n_neighbors, tau)
        per_row = cross_entropy(
            head(network(x)), torch.from_numpy(CODES), reduction="none"
        )
        loss = (torch.from_numpy(weights) * per_row).mean()
        losses.append(loss.item())
        step = rate * len(X) / 256 * (1 + np.cos(np.pi * epoch / epochs)) / 2
        gradients = torch.autograd.grad(loss, learning)
        with torch.no_grad():
            for p, v, g in zip(learning, velocity, gradients):
                v.mul_(0.9).add_(g)
                p.sub_(step * v)
    return losses, [p.detach().numpy() for p in learning]


def loo_weights(rows, alpha, n_neighbors, tau):
    rows = rows - rows.mean(0)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    weights = []
    for i, row in enumerate(rows):
        distances = ((rows - row) ** 2).sum(1)
        distances[i] = np.inf
        near = np.argsort(distances)[:n_neighbors]
        votes = np.exp(-(distances[near] - distances[near[0]]) / tau)
        p = votes[CODES[near] == CODES[i]].sum() / votes.sum()
        weights.append(1 + alpha * min(-np.log(p) if p else np.inf, 100))
    return np.array(weights)


@pytest.mark.parametrize(
    "alpha, refresh", [(0.5, "epoch"), (0.5, "test"), (0, "epoch")]
)
def test_joint_joint_ut_and_base_are_those_of_plain_loops(alpha, refresh):
    settings = {"n_neighbors": 15, "tau": 1.0}
    losses, parameters = reference(alpha, refresh, 4, 2.0, **settings)
    model = tiny(
        alpha=alpha, refresh=refresh, epochs=4, learning_rate=2.0, augment=False,
        batch_size=len(X), weight_decay=0, warmup_epochs=0, **settings,
    ).fit(X, Y)  # fmt: skip
    found = [epoch["loss"] for epoch in model.history_]
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    head = [p.numpy() for p in model.head_.parameters()]
    for a, b in zip([*weights_of(model), *head], parameters):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_three_ways_differ():
    ways = [
        dict(alpha=0.5),
        dict(alpha=0.5, refresh="test"),
        dict(alpha=0, lam=0),
    ]
    losses = [
        [e["loss"] for e in tiny(**way, tau=1.0, n_neighbors=15).fit(X, Y).history_]
        for way in ways
    ]
    assert losses[0][0] == losses[1][0] != losses[2][0]
    assert losses[0][-1] != losses[1][-1]


def test_the_order_of_rows_changes_nothing_in_full_batches():
    order = np.random.default_rng(3).permutation(len(X))
    settings = dict(
        alpha=0.5, tau=1.0, n_neighbors=15, augment=False, batch_size=len(X), epochs=4
    )
    one = tiny(**settings).fit(X, Y)
    other = tiny(**settings).fit(X[order], Y[order])
    np.testing.assert_allclose(
        columns(one.history_), columns(other.history_), rtol=1e-5
    )
    np.testing.assert_allclose(one.knn_proba_[order], other.knn_proba_, atol=1e-4)
    assert columns(one.history_)[:, 3].min() > 1


def test_the_same_call_gives_the_same_bits_and_another_seed_others():
    one, two = tiny().fit(X, Y), tiny(n_jobs=3).fit(X, Y)
    np.testing.assert_array_equal(columns(one.history_), columns(two.history_))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    other = tiny(random_state=1).fit(X, Y)
    assert (one.predict_proba(X) != other.predict_proba(X)).any()


def test_torchs_own_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny(epochs=1).fit(X, Y)
    assert (torch.rand(3) == expected).all()


def test_it_learns():
    new, truth = labelled_images(60, seed=1)
    model = tiny(epochs=20, learning_rate=5.0, min_crop=0.8).fit(X, Y)
    losses = [epoch["loss"] for epoch in model.history_]
    assert losses[-1] < 0.7 * losses[0]
    frozen = tiny(epochs=1, learning_rate=1e-30).fit(X, Y)
    assert model.score(new, truth) > max(0.8, frozen.score(new, truth))


def test_prediction_mixes_votes_and_head():
    model = tiny(lam=0.3).fit(X, Y)
    rows = model.transform(X)
    votes = SoftKNNClassifier(3).fit(rows, Y).predict_proba(rows)
    scores = rows.astype(np.float64) @ model.head_.weight.double().numpy().T
    scores = np.exp(scores + model.head_.bias.double().numpy())
    base = scores / scores.sum(1, keepdims=True)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba, 0.3 * votes + 0.7 * base, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(1)])
    np.testing.assert_array_equal(model.predict_log_proba(X), np.log(proba))
    np.testing.assert_array_equal(model.set_params(lam=1).predict_proba(X), votes)
    np.testing.assert_allclose(model.set_params(lam=0).predict_proba(X), base)


def test_a_row_does_not_depend_on_those_beside_it():
    model = tiny().fit(X, Y)
    whole = model.predict_proba(X)
    for row in (0, 7):
        np.testing.assert_array_equal(
            model.predict_proba(X[row : row + 1])[0], whole[row]
        )


def test_knn_proba_is_of_the_trained_features():
    model = tiny().fit(X, Y)
    proba = SoftKNNClassifier(3).fit(model.transform(X), Y).predict_proba(None)
    own = proba[np.arange(len(X)), CODES]
    np.testing.assert_allclose(model.knn_proba_, own, atol=1e-12)


@pytest.mark.parametrize("backbone", [TinyNetwork, "test_resnet", TinyNetwork()])
def test_pickles_carry_the_trained_weights(backbone):
    model = tiny(backbone=backbone, epochs=1).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_pickles_need_no_weight_file(tmp_path):
    module = TinyNetwork()
    file = tmp_path / "weights.pth"
    torch.save(module.state_dict(), file)
    model = tiny(weights=str(file), epochs=1).fit(X, Y)
    data = pickle.dumps(model)
    file.unlink()
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_users_module_stays_as_it_is():
    module = TinyNetwork().train()
    before = [p.detach().clone() for p in module.parameters()]
    model = tiny(backbone=module).fit(X, Y)
    assert all((a == b).all() for a, b in zip(before, module.parameters()))
    assert module.training and all(p.requires_grad for p in module.parameters())
    trained = model.backbone_.module
    assert trained is not module
    assert not trained.training
    assert not any(p.requires_grad for p in trained.parameters())


def test_transform_and_module_feed_the_others():
    model = tiny(backbone="test_resnet", image_size=32, epochs=1).fit(X, Y)
    module = model.backbone_.module
    embedder = BackboneEmbedder(module, image_size=32, device="cpu").fit(X)
    np.testing.assert_allclose(
        embedder.transform(X), model.transform(X), rtol=1e-4, atol=1e-5
    )
    fungi = FungiTransformer(
        module, image_size=32, objectives="kl", n_components=2, device="cpu"
    )
    assert fungi.fit_transform(X).shape == (len(X), 2)
    assert SoftKNNClassifier(3).fit(model.transform(X), Y).score(
        model.transform(X), Y
    ) > 1 / 3  # fmt: skip
    from skknn import DenseEmbedder

    masks = (X[..., 0] > 100).astype(int)
    dense = DenseEmbedder(module, image_size=32, device="cpu")
    segmenter = InContextSegmenter(dense, n_neighbors=3).fit(X, masks)
    assert segmenter.predict(X[:1])[0].shape == (16, 16)


def test_names_of_output_columns():
    model = tiny(epochs=1).set_output(transform="pandas").fit(X, Y)
    assert list(model.transform(X).columns[:2]) == [
        "finetunedjointclassifier0",
        "finetunedjointclassifier1",
    ]


def test_a_loss_that_is_no_number_names_the_rows_of_the_batch():
    model = tiny(learning_rate=1e30, batch_size=10, n_neighbors=5, alpha=0)
    with pytest.raises(FloatingPointError, match="batch of rows [0-9, ]+[.] Use a sm"):
        model.fit(X, Y)
    assert not hasattr(model, "classes_")


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    file = tmp_path / "broken.png"
    file.write_bytes(b"nothing")
    with pytest.raises(BadImageError, match="row 3"):
        tiny().fit([*X[:3], file, *X[4:]], Y)


def test_texts_are_refused():
    with pytest.raises(ValueError, match="'backbone' parameter.*stay frozen"):
        tiny(backbone=TextBackbone()).fit(X, Y)


def test_wrong_labels_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        tiny().fit(X, Y[1:])
    with pytest.raises(ValueError, match="one class only"):
        tiny().fit(X, ["a"] * len(X))


def test_rows_spread_over_processes_are_the_same():
    model = tiny().fit(X, Y)
    expected = model.predict_proba(X)
    with joblib.parallel_config("loky", n_jobs=2):
        model.set_params(batch_size=16)
        np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_a_warning_over_hard_rows_comes_once():
    with pytest.warns(UserWarning) as caught:
        tiny(alpha=50, n_neighbors=1, epochs=3).fit(X, Y)
    found = [str(w.message) for w in caught]
    assert sum("carry" in text for text in found) == 1


def test_aliases_reach_grids():
    model = clone(tiny()).set_params(k=5, temperature=0.2, lambda_=0.4)
    assert (model.n_neighbors, model.tau, model.lam) == (5, 0.2, 0.4)


def test_cross_validation_hands_images_on():
    for images in (X, list(X)):
        scores = cross_val_score(tiny(epochs=1), images, Y, cv=2)
        assert ((scores >= 0) & (scores <= 1)).all()
