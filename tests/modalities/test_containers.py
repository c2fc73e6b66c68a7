"""Containers that scikit-learn indexes, and those that would be misread."""

from collections import deque

import numpy as np
import pandas as pd
import pytest
import torch
from image_examples import Pairs, save_images
from PIL import Image
from sklearn.model_selection import KFold, train_test_split

from skknn.modalities import BadImageError, as_images, is_table

N = 8
RGB = np.random.default_rng(0).integers(0, 256, (N, 5, 7, 3), dtype=np.uint8)
TENSOR = torch.from_numpy(RGB).permute(0, 3, 1, 2)
PICTURES = [Image.fromarray(array) for array in RGB]


class Images(Pairs):
    def __getitem__(self, i):
        return self.items[i]


@pytest.fixture
def paths(tmp_path):
    return save_images(tmp_path, RGB)


def with_labels(paths):
    objects = np.empty(N, dtype=object)
    objects[:] = [(picture, 1) for picture in PICTURES]
    return {
        "Dataset of pairs": Pairs(PICTURES),
        "Dataset of paths and labels": Pairs(paths),
        "Dataset of images": Images(PICTURES),
        "TensorDataset": torch.utils.data.TensorDataset(TENSOR, torch.arange(N)),
        "Subset": torch.utils.data.Subset(Pairs(PICTURES * 2), range(N)),
        "two data sets": Pairs(PICTURES[:3]) + Pairs(PICTURES[3:]),
        "(image, label)": [(picture, i) for i, picture in enumerate(PICTURES)],
        "(path, label)": [(path, i) for i, path in enumerate(paths)],
        "(path, name)": [(path, "cat") for path in paths],
        "[path, label]": [[path, 3] for path in paths],
        "[path]": [[path] for path in paths],
        "(array, label)": [(array, 1) for array in RGB],
        "(array, array of labels)": [(array, np.int64(1)) for array in RGB],
        "(tensor, label)": [(tensor, torch.tensor(1)) for tensor in TENSOR],
        "(bytes, label)": [(open(path, "rb").read(), 1) for path in paths],
        "two views": [(picture, picture, 0) for picture in PICTURES],
        "tuple of tuples": tuple((path, 0) for path in paths),
        "Series of tuples": pd.Series([(path, 0) for path in paths]),
        "array of tuples": objects,
        "deque": deque(paths),
    }


@pytest.mark.parametrize("name", with_labels([__file__] * N))
def test_what_cross_validation_cuts_out_are_images(name, paths):
    """scikit-learn takes rows of X by its own rules; what it gives is read again."""
    X = with_labels(paths)[name]
    assert not is_table(X)
    y = np.arange(N) % 2
    X_train, X_test, i_train, i_test = train_test_split(X, np.arange(N), random_state=0)
    for part, rows in ((X_train, i_train), (X_test, i_test), (X, range(N))):
        assert not is_table(part)
        images = as_images(part)
        assert len(images) == len(rows)
        for place, row in enumerate(rows):
            np.testing.assert_array_equal(
                np.asarray(images.item(place).pil()), RGB[row]
            )
    assert sum(1 for _ in KFold(2).split(X, y)) == 2


def test_relative_paths_with_labels_are_found_from_any_folder(
    paths, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    part = as_images([(f"{i}.png", 0) for i in range(N)]).part(2, 4)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(np.asarray(part.item(1).pil()), RGB[3])


def test_errors_name_the_file_beside_a_label(tmp_path):
    images = as_images([(RGB[0], 1), (str(tmp_path / "none.png"), 2)])
    with pytest.raises(BadImageError, match=r"row 1 \(.*none.png.*no such file") as e:
        images.item(1)
    assert (e.value.row, e.value.file) == (1, str(tmp_path / "none.png"))


def test_planes_of_one_image_are_no_image_and_labels():
    planes = [RGB[0, :, :, 0], RGB[0, :, :, 1], RGB[0, :, :, 2]]
    with pytest.raises(BadImageError, match="row 0.*channels come first"):
        as_images([planes, planes]).item(0)


ITEMS = {
    "vector and label": ((np.zeros(9), 1), "row 0.*tuple of ndarray, int"),
    "text and image": ((3, PICTURES[0]), "row 0.*tuple of int, Image"),
    "row of a hub's data set": (
        {"image": PICTURES[0], "label": 1},
        "row 0.*images alone.*'image', 'label'",
    ),
    "masked array": (np.ma.masked_greater(RGB[0], 9), r"row 0.*mask.*filled"),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items_that_are_no_images_say_what_to_pass(name):
    item, reason = ITEMS[name]
    with pytest.raises(BadImageError, match=f"(?s){reason}"):
        as_images([item, item]).item(0)


MISREAD = {
    "set": ({"a.jpg", "b.jpg"}, r"set.*sorted\(X\)"),
    "frozenset": (frozenset(["a.jpg"]), r"frozenset.*sorted\(X\)"),
    "keys": ({"a.jpg": 1}.keys(), r"dict_keys.*sorted\(X\)"),
    "values": ({1: "a.jpg"}.values(), r"dict_values.*list\(X\)"),
    "items": ({"a.jpg": 1}.items(), r"dict_items.*sorted\(X\)"),
    "masked images": (np.ma.masked_less(RGB, 9), r"mask.*X\.filled"),
    "masked grey images": (np.ma.masked_less(RGB[..., 0], 9), r"mask.*X\.filled"),
    "one image": (RGB[0], r"\(5, 7, 3\).*one image.*\[X\]"),
    "one image with alpha": (np.zeros((9, 8, 4), np.uint8), r"one image.*\[X\]"),
    "one grey image": (np.zeros((28, 28, 1)), r"one image.*\[X\]"),
    "one tensor": (torch.zeros(9, 8, 3), r"one image.*\[X\]"),
    "one image as its rows": (list(RGB[0]), r"\(5, 7, 3\).*one image.*\[X\]"),
    "one image as numbers": (RGB[0].tolist(), r"\(5, 7, 3\).*one image.*\[X\]"),
    "table with labels": (np.array([["a.jpg", "cat"]] * 3), r"X\[:, 0\].*labels as y"),
    "table of objects": (
        np.array([["a.jpg", 3], ["b.jpg", 4]], dtype=object),
        r"X\[:, 0\].*labels as y",
    ),
    "data frame with labels": (
        pd.DataFrame({"file": ["a.jpg", "b.jpg"], "label": [0, 1]}),
        r"X\.iloc\[:, 0\].*labels as y",
    ),
}


@pytest.mark.parametrize("name", MISREAD)
def test_what_would_be_misread_is_refused(name):
    X, reason = MISREAD[name]
    with pytest.raises((TypeError, ValueError), match=f"(?s){reason}"):
        assert not is_table(X)
        as_images(X)


def test_masked_tables_are_refused():
    for X in (np.ma.masked_less(np.eye(3), 0.5), np.ma.array(np.eye(3))):
        with pytest.raises(ValueError, match=r"masked array.*X\.filled"):
            is_table(X)


def test_stacks_of_narrow_images_are_no_single_image():
    for X in (RGB[0][..., None], [row[..., None] for row in RGB[0]]):
        assert np.asarray(as_images(X).item(0).pil()).shape == (7, 3, 3)
    assert len(as_images(np.zeros((5, 3, 3), np.uint8))) == 5
    assert len(as_images(np.zeros((5, 4, 4), np.uint8))) == 5
    assert len(as_images(torch.zeros(5, 1, 1))) == 5
