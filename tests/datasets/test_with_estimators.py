"""Images of every form through Pipelines, cross-validation and searches."""

import numpy as np
import pytest
import sklearn
import torch
from image_examples import Pairs, save_images
from PIL import Image
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from skknn import BackboneEmbedder, NeighborSearchCV, SoftKNNClassifier
from skknn.datasets import drop_unreadable

N = 24
Y = np.arange(N) % 2
NOISE = np.random.default_rng(0).integers(0, 255, (N, 16, 16, 3), dtype=np.uint8)
PICTURES = [Image.fromarray(array) for array in NOISE]


@pytest.fixture
def paths(tmp_path):
    return save_images(tmp_path, NOISE)


@pytest.fixture
def model():
    embedder = BackboneEmbedder(
        "test_resnet", weights=None, random_state=0, image_size=32
    )
    return make_pipeline(embedder, SoftKNNClassifier(3))


FORMS = {
    "(path, label)": lambda paths: list(zip(paths, Y)),
    "(image, label)": lambda paths: list(zip(PICTURES, Y)),
    "Dataset of images": lambda paths: Pairs(PICTURES),
    "Dataset of paths": lambda paths: Pairs(paths),
    "tensor": lambda paths: torch.from_numpy(NOISE).permute(0, 3, 1, 2),
}


# Searches and cross-validation of scikit-learn 1.6 take a tensor's device for numpy's.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name == "tensor" and sklearn.__version__.startswith("1.6."),
                reason="scikit-learn 1.6 splits no tensors",
            ),
        )
        for name in FORMS
    ],
)
def test_every_form_can_be_split(name, paths, model):
    X = FORMS[name](paths)
    expected = cross_val_score(model, paths, Y, cv=3, error_score="raise")
    found = cross_val_score(model, X, Y, cv=3, error_score="raise")
    np.testing.assert_array_equal(found, expected)
    grid = {"softknnclassifier__tau": [0.1, 1.0]}
    scores = []
    for images in (X, paths):
        for search in (GridSearchCV, NeighborSearchCV):
            fitted = search(model, grid, cv=2, error_score="raise").fit(images, Y)
            scores.append(fitted.cv_results_["mean_test_score"])
    for score in scores[1:]:
        np.testing.assert_array_equal(score, scores[0])
    X_train, X_test, y_train, _ = train_test_split(X, Y, random_state=0)
    assert len(model.fit(X_train, y_train).predict(X_test)) == len(X_test)


def test_one_bad_file_need_not_stop_a_search(paths, model):
    open(paths[3], "wb").close()
    with pytest.raises(ValueError, match=r"row 3.*drop_unreadable\(X, y\)"):
        model.fit(paths, Y)
    model.set_params(backboneembedder__on_error="nan")
    with (
        pytest.warns(UserWarning, match="could not be read"),
        pytest.raises(
            ValueError,
            match=r"of row 3 is NaN \(1 of 24 rows\).*drop_unreadable\(X, y\)",
        ),
    ):
        model.fit(paths, Y)

    X, y, bad = drop_unreadable(paths, Y)
    assert [b.row for b in bad] == [3]
    search = GridSearchCV(model, {"softknnclassifier__tau": [0.1, 1.0]}, cv=2)
    search.fit(X, y)

    new = [paths[0], paths[3], paths[5]]
    readable, bad = drop_unreadable(new)
    kept = np.delete(np.arange(3), [b.row for b in bad])
    labels = np.full(3, -1)
    labels[kept] = search.predict(readable)
    assert (
        labels[1] == -1 and labels[kept].tolist() == search.predict(readable).tolist()
    )
