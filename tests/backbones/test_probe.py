"""Long rows are known by a few numbers, as short ones are."""

import numpy as np
import pytest

from skknn.backbones._probe import same_sketch, sketch


@pytest.mark.parametrize("n", [1_000, 300_000])
def test_sketches_tell_rows_apart(n):
    rng = np.random.default_rng(0)
    row = rng.normal(size=n).astype(np.float32)
    noise = rng.normal(size=n).astype(np.float32)
    assert sketch(row).shape == (32,)
    for size in (1e-5, 1e-2):
        error = np.linalg.norm(sketch(row + size * noise) - sketch(row))
        relative = error / np.linalg.norm(sketch(row))
        assert size / 2 < relative < 2 * size
    assert same_sketch(sketch(row), sketch(row + 1e-5 * noise), 1e-3)
    assert not same_sketch(sketch(row), sketch(noise), 1e-3)


def test_every_number_of_a_long_row_counts():
    row = np.zeros(200_001, np.float32)
    for place in (0, 65_536, 200_000):
        row[place] = 1
        other = row.copy()
        other[place] = 0
        assert not same_sketch(sketch(row), sketch(other), 1e-3)
