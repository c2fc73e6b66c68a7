"""The matrix of signs on an accelerator: one bit or one bfloat16 number an entry.

Signs are exact in bfloat16, and a float32 number is the sum of three bfloat16 numbers:
three products with float32 results on the matrix units give what one of float32
numbers would, many times sooner.
"""

import torch
from numpy.typing import NDArray

from ..backbones._device_memory import free_bytes

# Columns of a product: over more of them the rounding of float32 sums would show.
_TILE = 2**14
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
        self._n_out, self._n_in, self._device = len(bits), n_in, device
        self._dtype = torch.bfloat16 if _wide_results(device) else torch.float32
        # Apple's devices have no float64.
        self._exact = torch.float32 if device.type == "mps" else torch.float64
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
        self._bits = torch.from_numpy(bits).to(device)
        n_tiles = -(-n_in // _TILE)
        shape = (n_tiles, self._n_out, min(_TILE, 8 * bits.shape[1]))
        if held is None:
            size = shape[0] * shape[1] * shape[2] * self._dtype.itemsize
            held = device.type == "cuda" and size <= free_bytes(device) // _SHARE
        self.held = held
        if held:
            # Columns beyond the last stay 0.
            self._signs = torch.zeros(shape, dtype=self._dtype, device=device)
            for tile, place in enumerate(self._signs):
                signs = self._unpack(tile)
                place[:, : signs.shape[1]] = signs
            del self._bits

    def product(self, G: torch.Tensor) -> torch.Tensor:
        """Return G R' for float32 rows (n, n_in) on the device, in float64.

        Parameters
        ----------
        G : float32 tensor of shape (n, n_in)
        """
        out = torch.zeros(len(G), self._n_out, dtype=self._exact, device=G.device)
        if self.held:
            for rows, total in zip(G.split(_ROWS), out.split(_ROWS)):
                self._add_held(rows, total)
        else:
            for tile in range(-(-self._n_in // _TILE)):
                signs = self._unpack(tile).mT[None]
                part = G[:, tile * _TILE : (tile + 1) * _TILE]
                for rows, total in zip(part.split(_ROWS), out.split(_ROWS)):
                    self._add(total, self._terms(rows)[None], signs)
        return out

    def _add_held(self, rows: torch.Tensor, total: torch.Tensor) -> None:
        """All tiles in one product, their results summed after it."""
        n_tiles, _, columns = self._signs.shape
        missing = n_tiles * columns - rows.shape[1]
        padded = torch.nn.functional.pad(rows, (0, missing)) if missing else rows
        terms = self._terms(padded).unflatten(1, (n_tiles, columns)).transpose(0, 1)
        self._add(total, terms, self._signs.mT)

    def _add(
        self, total: torch.Tensor, terms: torch.Tensor, signs: torch.Tensor
    ) -> None:
        """Add products (tiles, terms * n, columns) x (tiles, columns, n_out)."""
        if self._dtype is torch.bfloat16:
            product = torch.bmm(terms, signs, out_dtype=torch.float32)
        else:
            product = torch.bmm(terms, signs)
        parts = product.unflatten(1, (-1, len(total)))
        total += parts.sum((0, 1), dtype=self._exact)

    def _terms(self, rows: torch.Tensor) -> torch.Tensor:
        """Numbers whose sum is the rows', below each other: (terms * n, columns)."""
        if self._dtype is torch.float32:
            return rows
        high = rows.bfloat16()
        rest = rows - high
        middle = rest.bfloat16()
        return torch.cat([high, middle, (rest - middle).bfloat16()])

    def _unpack(self, tile: int) -> torch.Tensor:
        """Signs (n_out, columns) of one tile, by shifts and masks."""
        first = tile * _TILE
        stop = min(first + _TILE, self._n_in)
        packed = self._bits[:, first // 8 : -(-stop // 8), None]
        bits = packed.bitwise_right_shift(self._shifts).bitwise_and_(1).flatten(1)
        one = torch.ones(1, dtype=self._dtype, device=self._device)
        return torch.sub(one, bits[:, : stop - first], alpha=2)


def _wide_results(device: torch.device) -> bool:
    """Whether products of bfloat16 numbers can be had in float32 on a device."""
    if device.type != "cuda" or not torch.cuda.is_bf16_supported():
        return False
    probe = torch.zeros(1, 16, 16, dtype=torch.bfloat16, device=device)
    try:
        torch.bmm(probe, probe, out_dtype=torch.float32)
    except (TypeError, RuntimeError):  # before torch 2.8
        return False
    return True
