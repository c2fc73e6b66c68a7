"""What X may be: every documented container, and errors for the rest."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_examples import Pairs, save_images
from PIL import Image
from scipy import sparse

from skknn.modalities import (
    BadImageError,
    FlattenedImages,
    as_images,
    is_table,
    resolve_image_shape,
    resolve_value_range,
)

pl = pytest.importorskip("polars")

RGB = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    return save_images(tmp_path, RGB)


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(())


def containers(paths):
    objects = np.empty(3, dtype=object)
    objects[:] = list(RGB)
    return {
        "list of paths": paths,
        "tuple of paths": tuple(paths),
        "array of strings": np.array(paths),
        "array of objects": np.array(paths, dtype=object),
        "pandas Series": pd.Series(paths, index=[7, 8, 9]),
        "pandas Series of categories": pd.Series(paths, dtype="category"),
        "polars Series": pl.Series(paths),
        "pandas column": pd.DataFrame({"file": paths}),
        "polars column": pl.DataFrame({"file": paths}),
        "column of strings": np.array(paths)[:, None],
        "list of PIL images": [Image.fromarray(a) for a in RGB],
        "list of arrays": list(RGB),
        "objects that are arrays": objects,
        "uint8 array": RGB,
        "float array": (RGB / 255).astype(np.float32),
        "tensor": torch.from_numpy(RGB).permute(0, 3, 1, 2),
        "list of tensors": list(torch.from_numpy(RGB).permute(0, 3, 1, 2)),
        "Dataset of pairs": Pairs([Image.fromarray(a) for a in RGB]),
        "Dataset of paths": Pairs(paths),
        "TensorDataset": torch.utils.data.TensorDataset(
            torch.from_numpy(RGB).permute(0, 3, 1, 2), torch.arange(3)
        ),
        "mixture": [paths[0], Image.fromarray(RGB[1]), RGB[2] / 255],
    }


@pytest.mark.parametrize("name", containers(["", "", ""]))
def test_containers(name, paths):
    X = containers(paths)[name]
    assert not is_table(X)
    images = as_images(X)
    assert len(images) == 3
    for row in range(3):
        np.testing.assert_array_equal(np.asarray(images.item(row).pil()), RGB[row])


def test_equal_pixels_have_equal_digests_unless_they_are_files(paths):
    digests = {}
    for name, X in containers(paths).items():
        images = as_images(X)
        digests[name] = [images.fetch(row).digest() for row in range(3)]
    of_files = digests["list of paths"]
    of_pixels = digests["uint8 array"]
    assert len({*of_files, *of_pixels}) == 6
    for name, found in digests.items():
        if name == "mixture":
            assert found == [of_files[0], *of_pixels[1:]]
        else:
            assert found in (of_files, of_pixels), name
    # The shape counts, not only the bytes.
    wide, tall = np.zeros((2, 8), np.uint8), np.zeros((8, 2), np.uint8)
    a, b = as_images([wide, tall]).fetch(0), as_images([wide, tall]).fetch(1)
    assert a.digest() != b.digest()


@pytest.mark.parametrize("name", containers(["", "", ""]))
def test_parts_and_pickles_keep_row_numbers(name, paths):
    part = as_images(containers(paths)[name]).part(1, 3)
    for images in (part, pickle.loads(pickle.dumps(part)), part.part(0, 2)):
        assert len(images) == 2
        np.testing.assert_array_equal(np.asarray(images.item(0).pil()), RGB[1])
        assert images.bad(1, ValueError("x")).row == 2


@pytest.mark.parametrize("name", containers(["", "", ""]))
def test_some_rows_keep_their_numbers(name, paths):
    some = as_images(containers(paths)[name]).rows(np.array([2, 0]))
    for images in (some, pickle.loads(pickle.dumps(some)), some.part(0, 2)):
        assert len(images) == 2
        np.testing.assert_array_equal(np.asarray(images.item(0).pil()), RGB[2])
        np.testing.assert_array_equal(np.asarray(images.item(1).pil()), RGB[0])
        assert images.bad(0, ValueError("x")).row == 2
    assert some.part(1, 2).bad(0, ValueError("x")).row == 0


@pytest.mark.parametrize(
    "container", [list, tuple, np.array, pd.Series, pl.Series], ids=lambda c: c.__name__
)
def test_parts_find_relative_paths_from_any_folder(
    container, paths, tmp_path, monkeypatch
):
    """Processes of joblib may have begun in another folder."""
    monkeypatch.chdir(tmp_path)
    part = as_images(container(["0.png", "1.png", "2.png"])).part(1, 3)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(np.asarray(part.item(1).pil()), RGB[2])


def test_parts_leave_web_addresses_alone():
    part = as_images(["http://example.org/a.jpg"]).part(0, 1)
    with pytest.raises(BadImageError, match="download it first"):
        part.item(0)


def test_grey_images_in_one_array():
    images = as_images(RGB[..., 0])
    expected = np.repeat(RGB[1, :, :, :1], 3, axis=2)
    np.testing.assert_array_equal(np.asarray(images.item(1).pil()), expected)
    images = as_images(RGB[..., :1])
    np.testing.assert_array_equal(np.asarray(images.item(1).pil()), expected)


ROWS = {
    "array": np.zeros((2, 4)),
    "list of lists": [[0.0, 1.0], [2.0, 3.0]],
    "list of tuples": [(0, 1), (2, 3)],
    "list of vectors": [np.zeros(4), np.zeros(4)],
    "pandas": pd.DataFrame({"a": [0.0], "b": [1.0]}),
    "polars": pl.DataFrame({"a": [0.0], "b": [1.0]}),
    "one column": np.zeros((3, 1)),
    "objects that are numbers": np.zeros((3, 2), dtype=object),
    "tensor": torch.zeros(2, 4),
    "sparse matrix": sparse.csr_matrix(np.eye(3)),
    "sparse array": sparse.coo_array(np.eye(3)),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_recognised(name):
    assert is_table(ROWS[name])


BAD = {
    "one path": ("a.jpg", r"single path.*\['?path|Pass a list"),
    "one image": (Image.new("RGB", (2, 2)), "single PIL image.*list"),
    "encoded bytes": (b"abc", "Pass a list"),
    "dict": ({"a": 1}, "dict.*Accepted"),
    "number": (3, "int.*Accepted"),
    "generator": ((i for i in range(3)), "generator.*Accepted"),
    "None": (None, "NoneType.*Accepted"),
    "vector of numbers": (np.zeros(3), "Reshape your data"),
    "five axes": (np.zeros((1, 2, 3, 4, 3)), r"\(1, 2, 3, 4, 3\).*Accepted"),
    "two channels": (np.zeros((1, 4, 4, 2)), "2 channels.*1 .*3 .*4"),
    "channels first": (np.zeros((1, 3, 9, 9)), r"transpose\(0, 2, 3, 1\)"),
    "tensor with channels last": (torch.zeros(1, 9, 9, 3), r"permute\(0, 3, 1, 2\)"),
    "tensor with one axis": (torch.zeros(3), "Accepted"),
    "table of text": (np.full((2, 2), "a"), "one column.*ravel"),
    "stream": (Stream(), "map-style"),
    "empty list": ([], "0 sample"),
    "no images": (np.zeros((0, 4, 4), np.uint8), "0 sample"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_x_cannot_be(name):
    X, reason = BAD[name]
    with pytest.raises((TypeError, ValueError), match=f"(?s){reason}"):
        as_images(X)


@pytest.mark.parametrize(
    "n_features, shape",
    [(1, (1, 1)), (64, (8, 8)), (784, (28, 28)), (12, (2, 2, 3)), (3072, (32, 32, 3))],
)
def test_guessed_shapes(n_features, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_image_shape(None, n_features) == shape


@pytest.mark.parametrize("n_features, side", [(2, 2), (10, 4), (63, 8), (65, 9)])
def test_other_lengths_are_padded_with_a_warning(n_features, side):
    with pytest.warns(UserWarning, match=f"padded with zeros to {side} x {side}"):
        assert resolve_image_shape(None, n_features) == (side, side)
    X = np.full((1, n_features), 255, np.uint8)
    image = np.asarray(FlattenedImages(X, (side, side), (0, 255)).item(0).pil())[
        ..., 0
    ].ravel()
    assert (image[:n_features] == 255).all() and (image[n_features:] == 0).all()


@pytest.mark.parametrize(
    "shape, reason",
    [
        ((3, 3), "9 values.*12 features"),
        ((12,), "height, width"),
        ((2, 3, 2), "1, 3 or 4 channels"),
        ((0, 12), "height, width"),
    ],
)
def test_image_shapes_that_do_not_fit(shape, reason):
    with pytest.raises(ValueError, match=f"image_shape=.*{reason}"):
        resolve_image_shape(shape, 12)


@given(
    arrays(
        np.float64,
        (4, 6),
        elements=st.floats(-1e6, 1e6, allow_nan=False),
    )
)
@settings(max_examples=50, deadline=None)
def test_rows_are_stretched_over_the_range_seen_in_fit(X):
    low, high = resolve_value_range(X)
    if X.min() >= 0 and X.max() <= 1:
        assert (low, high) == (0, 1)
    else:
        assert (low, high) == (X.min(), X.max())
    images = FlattenedImages(X, (2, 3), (low, high))
    for row in range(4):
        levels = np.asarray(images.item(row).pil())[..., 0].ravel()
        span = high - low
        expected = [0 if span == 0 else 255 * (v - low) / span for v in X[row]]
        assert np.abs(levels - np.array(expected)).max() <= 0.5 + 1e-6


def test_rows_of_bytes_and_unit_floats_keep_their_range():
    assert resolve_value_range(np.array([[3, 9]], np.uint8)) == (0, 255)
    assert resolve_value_range(np.array([[0.25, 0.5]])) == (0, 1)
    assert resolve_value_range(np.array([[True, False]])) == (0, 1)
    assert resolve_value_range(np.array([[3, 9]])) == (3, 9)


def test_rows_outside_the_range_are_clipped_with_a_warning():
    X = np.array([[0.0, 1.0, 0.5, 0.5], [-1.0, 2.0, 0.5, 0.5]])
    with pytest.warns(UserWarning, match=r"2 values in 1 of 2 rows \(first: row 1\)"):
        images = FlattenedImages(X, (2, 2), (0.0, 1.0))
    np.testing.assert_array_equal(
        np.asarray(images.item(1).pil())[..., 0], [[0, 255], [128, 128]]
    )


def test_colour_rows():
    X = RGB.reshape(3, -1)
    images = FlattenedImages(X, (5, 7, 3), (0, 255))
    np.testing.assert_array_equal(np.asarray(images.item(2).pil()), RGB[2])
    np.testing.assert_array_equal(np.asarray(images.part(1, 3).item(1).pil()), RGB[2])
