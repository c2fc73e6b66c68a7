"""Random +-1 projection (Achlioptas) from one bit an entry."""

import numpy as np
import torch

from ._heads import generator

# Columns of R unpacked at once: 1.5 to 5 MB of float32, which stays in cache.
_TILE = 1024


class SignProjection:
    """g = R v / sqrt(d), the entries of R being +1 or -1 with equal probability.

    R is never held as numbers: its bits come from a counter-based generator, in
    the same order whatever the tile, device or number of threads.

    Parameters
    ----------
    n_in, n_out : int
        m and d.
    seed : int
    tile : int
        Columns unpacked at once; changes nothing but speed.
    """

    def __init__(self, n_in, n_out, seed, tile=_TILE):
        self.n_in, self.n_out, self.seed, self.tile = n_in, n_out, seed, tile
        self._bits = None
        # One byte -> the eight signs it stands for.
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
        self._signs = np.where(bits, np.float32(-1), np.float32(1))

    def bits(self):
        """Return R packed: uint8 (n_in, ceil(n_out / 8)), drawn at first use."""
        if self._bits is None:
            width = -(-self.n_out // 8)
            n_words = -(-self.n_in * width // 8)
            philox = generator(self.seed, "projection").bit_generator
            words = philox.random_raw(n_words).astype("<u8", copy=False)
            flat = words.view(np.uint8)[: self.n_in * width]
            self._bits = flat.reshape(self.n_in, width)
        return self._bits

    def __call__(self, G):
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
        bits = self.bits()
        width = 8 * bits.shape[1]
        out = torch.zeros(len(G), width, dtype=torch.float32, device=G.device)
        buffer = None
        if G.device.type == "cpu":
            buffer = np.empty((min(self.tile, self.n_in), width // 8, 8), np.float32)
        for start in range(0, self.n_in, self.tile):
            part = bits[start : start + self.tile]
            if buffer is None:
                signs = self._signs_on_device(part, G.device)
            else:
                signs = buffer[: len(part)]
                # Without mode= numpy would go through another copy.
                np.take(self._signs, part, axis=0, out=signs, mode="clip")
                signs = torch.from_numpy(signs).view(len(part), width)
            out.addmm_(G[:, start : start + len(part)], signs)
        return out[:, : self.n_out] / self.n_out**0.5

    def _signs_on_device(self, part, device):
        """Unpack rows of bits by a table look-up on the device."""
        table = torch.from_numpy(self._signs).to(device)
        index = torch.from_numpy(part).to(device).int().flatten()
        return table.index_select(0, index).view(len(part), -1)
