"""The signs as accelerators use them, on whatever device there is."""

import numpy as np
import pytest
import torch

from skknn.gradients import _device_signs
from skknn.gradients._device_signs import DeviceSigns
from skknn.gradients._projection import SignProjection

CPU = torch.device("cpu")
# Less than a tile, whole tiles, one column and one byte more, and less than a byte.
COLUMNS = [5, 100, _device_signs._TILE, _device_signs._TILE + 1, 50_007]


@pytest.fixture
def bfloat16(monkeypatch):
    """Products of bfloat16 with float32 results, which only CUDA has."""
    bmm = torch.bmm

    def wide(a, b, out_dtype=torch.float32):
        assert a.dtype is b.dtype is torch.bfloat16
        return bmm(a.float(), b.float())

    monkeypatch.setattr(_device_signs, "_wide_results", lambda device: True)
    monkeypatch.setattr(torch, "bmm", wide)


def exact(projection, G):
    bits = np.unpackbits(projection.bits(), axis=1)[:, : projection.n_in]
    return G.double().numpy() @ (1.0 - 2.0 * bits).T


def rows(n, m):
    generator = torch.Generator().manual_seed(0)
    # Gradients differ by orders of magnitude from column to column.
    size = torch.logspace(-6, 0, m)
    return torch.randn(n, m, generator=generator) * size


@pytest.mark.parametrize("m", COLUMNS)
@pytest.mark.parametrize("held", [True, False])
def test_bfloat16_terms_are_as_exact_as_float64(m, held, bfloat16):
    projection, G = SignProjection(m, 24, seed=1), rows(150, m)
    signs = DeviceSigns(projection.bits(), m, CPU, held)
    want = exact(projection, G)
    error = np.abs(signs.product(G).numpy() - want).max()
    assert error < 1e-6 * want.std()


@pytest.mark.parametrize("m", COLUMNS)
@pytest.mark.parametrize("held", [True, False])
def test_float32_where_there_is_no_bfloat16(m, held):
    projection, G = SignProjection(m, 24, seed=1), rows(150, m)
    found = DeviceSigns(projection.bits(), m, CPU, held).product(G).numpy()
    want = exact(projection, G)
    np.testing.assert_allclose(found, want, atol=1e-5 * want.std())


def test_unit_vectors_give_the_columns(bfloat16):
    projection = SignProjection(77, 30, seed=0)
    signs = DeviceSigns(projection.bits(), 77, CPU, held=False)
    bits = np.unpackbits(projection.bits(), axis=1)[:, :77]
    assert (signs.product(torch.eye(77)).T.numpy() == 1.0 - 2.0 * bits).all()


def test_nothing_is_held_on_other_devices():
    projection = SignProjection(77, 30, seed=0)
    assert not DeviceSigns(projection.bits(), 77, CPU).held


@pytest.mark.gpu
@pytest.mark.parametrize("held", [True, False])
def test_cuda(held):
    device = torch.device("cuda")
    projection, G = SignProjection(50_007, 256, seed=1), rows(150, 50_007)
    signs = DeviceSigns(projection.bits(), 50_007, device, held)
    want = exact(projection, G)
    error = np.abs(signs.product(G.cuda()).cpu().numpy() - want).max()
    assert error < 1e-6 * want.std()


@pytest.mark.gpu
def test_projection_on_cuda_equals_that_on_the_cpu():
    projection, G = SignProjection(50_007, 256, seed=1), rows(8, 50_007)
    on_cpu, on_cuda = projection(G), projection(G.cuda()).cpu()
    spread = on_cpu.std().item()
    torch.testing.assert_close(on_cuda, on_cpu, rtol=0, atol=4e-6 * spread)
    free = torch.cuda.memory_allocated()
    projection(G.cuda())
    assert torch.cuda.memory_allocated() == free
