"""The matrix of signs on an accelerator: one bit or one bfloat16 number an entry.

Signs are exact in bfloat16, and a float32 number is the sum of three bfloat16 numbers:
three products with float32 results on the matrix units give what one of float32
numbers would, many times sooner. (Of two terms the rounding is 2e-6 of the result.)
"""

from collections.abc import Iterator

import torch
from numpy.typing import NDArray

from ..backbones._device_memory import free_bytes
from ..utils._bfloat16 import cuda_has_bfloat16
from ..utils._out_of_memory import is_out_of_memory

# Columns of a product: over more of them the rounding of float32 sums would show.
_TILE = 2**14
# Bytes of signs unpacked at a time: enough tiles to keep a card busy.
_UNPACKED = 2**28
# Rows at a time, so that their terms stay small beside the signs.
_ROWS = 128
# All signs are held where they take at most this share of the free memory.
_SHARE = 8


class DeviceSigns:
    """R on a device, and products with it.

    Parameters
    ----------
    bits : uint8 array of shape (n_out, ceil(n_in / 8))
        R packed; a set bit is -1, the first column is the highest bit.
    n_in : int
    device : torch.device
    held : bool, optional
        Whether R is held as numbers; by default, if they take little of the memory.

    Attributes
    ----------
    held : bool
    """

    def __init__(
        self,
        bits: NDArray,
        n_in: int,
        device: torch.device,
        held: bool | None = None,
    ) -> None:
        self._n_out, self._n_in = len(bits), n_in
        self._dtype = torch.bfloat16 if _wide_results(device) else torch.float32
        # Apple's devices have no float64.
        self._exact = torch.float32 if device.type == "mps" else torch.float64
        self._columns = min(_TILE, 8 * bits.shape[1])
        self._n_tiles = -(-n_in // self._columns)
        # Whole tiles; what is beyond the last column meets zeros.
        width = self._n_tiles * self._columns // 8
        self._bits = torch.zeros(self._n_out, width, dtype=torch.uint8, device=device)
        self._bits[:, : bits.shape[1]] = torch.from_numpy(bits).to(device)
        self._shifts = torch.arange(8, dtype=torch.int8, device=device)
        size = 8 * self._bits.numel() * self._dtype.itemsize
        if held is None:
            held = device.type == "cuda" and size <= free_bytes(device) // _SHARE
        self.held = held
        self._signs: torch.Tensor | None = None
        if held:
            shape = self._n_tiles, self._n_out, self._columns
            signs = torch.empty(shape, dtype=self._dtype, device=device)
            for tiles, part in self._parts():
                signs[tiles] = part
            self._signs = signs
            del self._bits

    def product(self, G: torch.Tensor) -> torch.Tensor:
        """Return G R' for float32 rows (n, n_in) on the device, in float64.

        Parameters
        ----------
        G : float32 tensor of shape (n, n_in)
        """
        out = torch.zeros(len(G), self._n_out, dtype=self._exact, device=G.device)
        for rows, total in zip(G.split(_ROWS), out.split(_ROWS)):
            terms = self._terms(rows)
            for tiles, signs in self._parts():
                # (tiles, terms * n, columns) x (tiles, columns, n_out)
                product = self._product(terms[tiles], signs.mT)
                parts = product.unflatten(1, (-1, len(total)))
                total += parts.sum((0, 1), dtype=self._exact)
        return out

    def _parts(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield signs (tiles, n_out, columns), and of which tiles they are."""
        if self._signs is not None:
            yield slice(None), self._signs
            return
        each = self._n_out * self._columns * self._dtype.itemsize
        step = max(1, _UNPACKED // each)
        for first in range(0, self._n_tiles, step):
            tiles = slice(first, min(first + step, self._n_tiles))
            yield tiles, self._unpack(tiles)

    def _unpack(self, tiles: slice) -> torch.Tensor:
        """Turn bits of some tiles to signs: each is shifted to where a sign is."""
        n_bytes = self._columns // 8
        packed = self._bits[:, tiles.start * n_bytes : tiles.stop * n_bytes]
        shifted = packed.view(torch.int8)[..., None] << self._shifts
        one = torch.ones(1, dtype=self._dtype, device=packed.device)
        signs = torch.copysign(one, shifted)
        return signs.view(self._n_out, -1, self._columns).transpose(0, 1)

    def _terms(self, rows: torch.Tensor) -> torch.Tensor:
        """Numbers whose sum is the rows', below each other in every tile.

        Returns
        -------
        tensor of shape (tiles, terms * n, columns)
        """
        n, width = len(rows), self._n_tiles * self._columns
        n_terms = 3 if self._dtype is torch.bfloat16 else 1
        terms = torch.empty((n_terms, n, width), dtype=self._dtype, device=rows.device)
        terms[..., self._n_in :] = 0
        rest = rows
        for i, term in enumerate(terms[..., : self._n_in]):
            term.copy_(rest)
            if i + 1 < n_terms:
                rest = torch.sub(rest, term, out=rest if i else None)
        tiles = terms.view(n_terms * n, self._n_tiles, self._columns)
        return tiles.transpose(0, 1)

    def _product(self, terms: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
        if self._dtype is torch.bfloat16:
            return torch.bmm(terms, signs, out_dtype=torch.float32)
        return torch.bmm(terms, signs)


def _wide_results(device: torch.device) -> bool:
    """Whether products of bfloat16 numbers can be had in float32 on a device."""
    if device.type != "cuda" or not cuda_has_bfloat16(device):
        return False
    probe = torch.zeros(1, 16, 16, dtype=torch.bfloat16, device=device)
    try:
        torch.bmm(probe, probe, out_dtype=torch.float32)
    except (TypeError, RuntimeError) as error:  # before torch 2.8
        if is_out_of_memory(error):
            raise
        return False
    return True
