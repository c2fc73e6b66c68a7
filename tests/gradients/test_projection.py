"""The matrix of signs: entries, tiles, threads, lengths, memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skknn.gradients._projection import SignProjection


def matrix(projection):
    """R itself, (d, m), from the projections of all unit vectors."""
    columns = projection(torch.eye(projection.n_in))
    return columns.numpy().T * np.sqrt(projection.n_out)


def test_entries_are_signs_and_unit_vectors_give_columns():
    projection = SignProjection(300, 50, seed=3)
    R = matrix(projection)
    np.testing.assert_allclose(np.abs(R), 1, rtol=1e-6)
    bits = np.unpackbits(projection.bits(), axis=1)[:, :300]
    np.testing.assert_array_equal(R > 0, bits == 0)


def test_signs_are_fair_and_uncorrelated():
    R = np.sign(matrix(SignProjection(2000, 400, seed=0)))
    assert abs(R.mean()) < 4 / np.sqrt(R.size)
    assert np.abs(R.mean(0)).max() < 6 / np.sqrt(400)
    assert np.abs(R.mean(1)).max() < 6 / np.sqrt(2000)
    between = R @ R.T / 2000 - np.eye(400)
    assert between.std() == pytest.approx(1 / np.sqrt(2000), rel=0.05)


@given(
    n_in=st.integers(1, 200),
    n_out=st.integers(1, 70),
    tile=st.integers(1, 250),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=40, deadline=None)
def test_against_numpy_for_any_shape_and_tile(n_in, n_out, tile, seed):
    projection = SignProjection(n_in, n_out, seed, tile=tile)
    R = np.sign(matrix(SignProjection(n_in, n_out, seed)))
    rows = np.random.default_rng(0).standard_normal((3, n_in))
    expected = rows @ R.T / np.sqrt(n_out)
    ours = projection(torch.from_numpy(rows).float()).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-6 * np.sqrt(n_in))


def test_rounding_stays_small_over_many_columns():
    rows = np.random.default_rng(0).standard_normal((4, 200_000)).astype(np.float32)
    projection = SignProjection(200_000, 64, seed=0)
    bits = np.unpackbits(projection.bits(), axis=1)[:, :200_000]
    expected = rows.astype(np.float64) @ (1.0 - 2.0 * bits).T / 8
    ours = projection(torch.from_numpy(rows)).numpy()
    assert np.linalg.norm(ours - expected) < 1e-6 * np.linalg.norm(expected)


def test_without_the_onednn_operation(monkeypatch):
    from skknn.gradients import _projection

    rows = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    projection = SignProjection(1000, 64, seed=1)
    expected = projection(rows)
    monkeypatch.setattr(_projection, "can_prepack", lambda: False)
    torch.testing.assert_close(projection(rows), expected, rtol=1e-5, atol=1e-5)


def test_bits_do_not_depend_on_tile_or_threads():
    a = SignProjection(1000, 64, seed=1, tile=7).bits()
    b = SignProjection(1000, 64, seed=1, tile=1024).bits()
    np.testing.assert_array_equal(a, b)
    assert (SignProjection(1000, 64, seed=2).bits() != a).any()
    rows = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    projection, threads = SignProjection(1000, 64, seed=1), torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(projection(rows))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_the_stream_is_stable():
    # A change here would orphan every cache and every pickle.
    bits = SignProjection(16, 3, seed=5).bits()
    assert bits.tolist() == [[64, 218], [137, 73], [67, 182]]


def test_inner_products_within_johnson_lindenstrauss_error():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20, 5000))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    d = 1024
    projected = SignProjection(5000, d, seed=0)(torch.from_numpy(rows).float()).numpy()
    errors = (projected @ projected.T - rows @ rows.T)[np.triu_indices(20, 1)]
    assert errors.std() == pytest.approx(1 / np.sqrt(d), rel=0.2)
    assert np.abs(errors).max() < 5 / np.sqrt(d)


def test_memory_is_a_twentieth_of_the_float_matrix():
    n_in, n_out = 400_000, 256
    rows = torch.ones(2, n_in)
    tracemalloc.start()
    projection = SignProjection(n_in, n_out, seed=0)
    projection(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * n_in * n_out / 20


def test_a_row_has_the_same_bits_whatever_rows_come_with_it():
    G = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 4000))).float()
    projection = SignProjection(4000, 64, 0)
    all_rows = projection(G)
    for n in (1, 2, 3, 9, 15, 16, 17, 33):
        assert torch.equal(projection(G[:n]), all_rows[:n]), n
