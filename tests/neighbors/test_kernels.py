"""Compiled squared distances against numpy's, to the last bit."""

import numpy as np
import pytest

pytest.importorskip("numba")

from skknn.neighbors._exact import direct_sqdist  # noqa: E402

from skknn.neighbors import _fast_sums  # noqa: E402

# Around every border of numpy's summation: 8 at a time, halves above 128.
WIDTHS = [1, 7, 8, 9, 17, 64, 127, 128, 129, 136, 200, 257, 384, 389, 768, 1031]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", WIDTHS)
def test_bits_are_those_of_numpy(n_features, dtype, monkeypatch):
    rng = np.random.default_rng(n_features)
    base = rng.normal(size=(150, n_features)).astype(dtype)
    queries = rng.normal(size=(9, n_features)).astype(dtype)
    ids = rng.integers(0, 150, (9, 31)).astype(np.int32)
    ids[:5].sort(axis=1)  # the others are in no order
    wanted = rng.random(ids.shape) < 0.6
    rows = queries[:, None, :].astype(np.float64)
    want = ((base[ids].astype(np.float64) - rows) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(direct_sqdist(queries, base, ids), want)
    for tile_bytes in (1, 1 << 14, 1 << 30):
        monkeypatch.setattr(_fast_sums, "TILE_BYTES", tile_bytes)
        got = np.full(ids.shape, -1.0)
        _fast_sums.measure(queries, base, ids, wanted, got)
        np.testing.assert_array_equal(got, np.where(wanted, want, -1.0))


def test_rows_that_are_not_contiguous_are_refused():
    from numba.core.errors import TypingError

    rows = np.asfortranarray(np.ones((20, 16)))
    ids, wanted = np.zeros((20, 1), dtype=np.int32), np.ones((20, 1), dtype=bool)
    with pytest.raises(TypingError):
        _fast_sums.measure(rows, rows, ids, wanted, np.empty((20, 1)))
