"""Random +-1 projection (Achlioptas) from one bit an entry."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..backbones._prepack import can_prepack
from ._device_signs import DeviceSigns
from ._random import generator

# Entries of R unpacked at once: 3 MB of float32, which stays in cache
# (benchmarks/fungi.py --projection).
_TILE = 3 * 2**18
# From so many rows on, products of oneDNN and of MKL have the same bits in every row.
_LEAST_ROWS = 16


class SignProjection:
    """g = R v / sqrt(d), the entries of R being +1 or -1 with equal probability.

    The bits of R come from a counter-based generator, in the same order whatever the
    tile, device or number of threads. On a CPU R is never held as numbers.

    Parameters
    ----------
    n_in, n_out : int
        m and d.
    seed : int
    tile : int, optional
        Columns unpacked at once on a CPU, rounded up to whole bytes; changes nothing
        but speed.
    """

    def __init__(
        self, n_in: int, n_out: int, seed: int, tile: int | None = None
    ) -> None:
        self.n_in, self.n_out, self.seed = n_in, n_out, seed
        self.tile = -(-(tile or max(256, _TILE // n_out)) // 8) * 8
        self._bits: NDArray[np.uint8] | None = None
        self._on_device: dict[torch.device, DeviceSigns] = {}
        # One byte -> the eight signs it stands for.
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
        self._signs = np.where(bits, np.float32(-1), np.float32(1))

    def bits(self) -> NDArray[np.uint8]:
        """Return R packed: uint8 (n_out, ceil(n_in / 8)), drawn at first use."""
        if self._bits is None:
            width = -(-self.n_in // 8)
            n_words = -(-self.n_out * width // 8)
            philox = generator(self.seed, "projection").bit_generator
            words = philox.random_raw(n_words).astype("<u8", copy=False)
            flat = words.view(np.uint8)[: self.n_out * width]
            self._bits = flat.reshape(self.n_out, width)
        return self._bits

    def __call__(self, G: torch.Tensor) -> torch.Tensor:
        """Project rows.

        Parameters
        ----------
        G : float32 tensor of shape (n, n_in)
            On any device.

        Returns
        -------
        float32 tensor of shape (n, n_out)
            On the same device.
        """
        if G.device.type == "cpu":
            out = self._on_cpu(G)
        else:
            if G.device not in self._on_device:
                self._on_device[G.device] = DeviceSigns(
                    self.bits(), self.n_in, G.device
                )
            out = self._on_device[G.device].product(G)
        return (out / self.n_out**0.5).float()

    def _on_cpu(self, G: torch.Tensor) -> torch.Tensor:
        """Return G R' in float64."""
        bits, n = self.bits(), len(G)
        # Libraries add up few rows in another order, and a row's bits must not depend
        # on how many rows come with it.
        G = F.pad(G, (0, 0, 0, max(0, _LEAST_ROWS - n)))
        # Few additions, each of a whole tile: float64 costs nothing here.
        out = torch.zeros(len(G), self.n_out, dtype=torch.float64, device="cpu")
        product = _onednn_product if can_prepack() else F.linear
        buffer = np.empty((self.n_out, self.tile // 8, 8), np.float32)
        for start in range(0, self.n_in, self.tile):
            part = G[:, start : start + self.tile]
            packed = bits[:, start // 8 : -(-(start + part.shape[1]) // 8)]
            signs = self._unpack(packed, buffer)
            out += product(part, signs[:, : part.shape[1]])
        return out[:n]

    def _unpack(self, packed: NDArray[np.uint8], buffer: NDArray) -> torch.Tensor:
        """Unpack bytes (n_out, k) to signs (n_out, 8 * k)."""
        if packed.shape[1] != buffer.shape[1]:
            buffer = np.empty((*packed.shape, 8), np.float32)
        # Without mode= numpy would go through another copy.
        np.take(self._signs, packed, axis=0, out=buffer, mode="clip")
        return torch.from_numpy(buffer).flatten(1)


def _onednn_product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``rows @ weight.T``; torch itself would take MKL, half as fast on some CPUs."""
    rows, weight = rows.contiguous(), weight.contiguous()
    return torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], "")
