"""Texts as a source of items: content, digests, parts, errors."""

import pickle

import numpy as np
import pytest

from skknn.modalities import MODALITIES, BadTextError, as_images, as_texts

X = ["a", "b c", "  d ", "naïve ☂", None, "a"]


def test_items_are_the_texts_as_they_are():
    source = as_texts(X)
    assert len(source) == 6 and source.unit == "text"
    for row in (0, 1, 2, 3):
        assert source.item(row) == X[row]
        assert source.item(row, source.fetch(row)) == X[row]


def test_digests_tell_texts_apart():
    source = as_texts(X)
    digests = [source.fetch(row).digest() for row in (0, 1, 2, 3, 5)]
    assert digests[0] == digests[4] and len(set(digests)) == 4
    assert all(len(digest) == 20 for digest in digests)
    assert as_texts(["d"]).fetch(0).digest() != digests[2]
    assert source.fetch(3).n_bytes > 0


def test_parts_keep_the_numbers_of_their_rows():
    source = as_texts(X)
    part = pickle.loads(pickle.dumps(source.part(2, 5)))
    assert len(part) == 3 and part.item(0) == X[2]
    some = source.rows(np.array([5, 4]))
    assert some.item(0) == "a"
    for taken, row in ((part, 2), (some, 1), (some.rows([1]), 0)):
        with pytest.raises(BadTextError, match="row 4 cannot be used") as found:
            taken.item(row)
        assert (found.value.row, found.value.problem) == (4, "it is missing (None)")


def test_rows_are_looked_at_when_they_are_asked_for():
    assert len(as_texts([None, 3])) == 2


def test_modalities_by_name():
    assert MODALITIES["text"].as_items is as_texts
    assert MODALITIES["image"].as_items is as_images
