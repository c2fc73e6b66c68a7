"""The k largest of each row, by group maxima."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skknn.neighbors.exact._top_k import (
    LARGEST_GROUP,
    bfloat16_values,
    top_columns,
    torch_top_columns,
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n_columns=st.integers(1, 400), data=st.data())
def test_columns_of_the_largest_scores(seed, n_columns, data):
    k = data.draw(st.integers(1, n_columns))
    scores = np.random.default_rng(seed).normal(size=(4, n_columns))
    got = np.take_along_axis(scores, top_columns(scores, k), axis=1)
    want = np.sort(scores, axis=1)[:, n_columns - k :]
    np.testing.assert_array_equal(np.sort(got, axis=1), want)
    bits = (scores.astype(np.float32).view(np.int32) >> 16).astype(np.int16)
    got = np.take_along_axis(bfloat16_values(bits), top_columns(bits, k), axis=1)
    want = np.sort(bfloat16_values(bits), axis=1)[:, n_columns - k :]
    np.testing.assert_array_equal(np.sort(got, axis=1), want)


@pytest.mark.parametrize("n_groups", [1, 7, 200])
@pytest.mark.parametrize("k", [1, 2, 30, 255, 256])
def test_torch_takes_the_same(n_groups, k):
    shape = 5, n_groups * LARGEST_GROUP
    scores = np.random.default_rng(k).standard_normal(shape, dtype=np.float32)
    columns = torch_top_columns(torch.from_numpy(scores), k).numpy()
    assert all(len(set(row)) == k for row in columns)
    np.testing.assert_array_equal(
        np.sort(np.take_along_axis(scores, columns, axis=1), axis=1),
        np.sort(np.take_along_axis(scores, top_columns(scores, k), axis=1), axis=1),
    )
