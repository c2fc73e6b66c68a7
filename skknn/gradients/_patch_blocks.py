"""Features and gradients of positions -> vectors in which both have their share."""

import torch

from ._patch_pairs import PatchPairs
from ._projection import SignProjection
from ._unit_rows import unit

# Bytes of outer products at a time.
_BYTES = 2**26


class PatchBlocks:
    """Unit features joined by unit gradients, as pairs or projected.

    A position of the map gets the gradient of that position of the layer's grid in
    which its middle lies.

    Parameters
    ----------
    rows, columns : int
        Of the layer's gradient.
    projection_dim : int or None
        None keeps pairs.
    seed : int

    Attributes
    ----------
    shape : (rows, columns)
    widths : dict name -> int
        Of the blocks behind the features.
    """

    def __init__(
        self, rows: int, columns: int, projection_dim: int | None, seed: int
    ) -> None:
        self.shape = rows, columns
        self._projection: SignProjection | None = None
        self.widths = {"inputs": columns, "slopes": rows}
        if projection_dim is not None:
            self._projection = SignProjection(rows * columns, projection_dim, seed)
            self.widths = {"gradient": projection_dim}

    def __call__(self, map_: torch.Tensor, pairs: PatchPairs) -> torch.Tensor:
        """Return a map (h, w, d + widths) of one image.

        Parameters
        ----------
        map_ : tensor of shape (h, w, d)
        pairs : PatchPairs
        """
        grid = map_.shape[0], map_.shape[1]
        a, b = (unit(x[pairs.n_prefix :]) for x in (pairs.inputs, pairs.slopes))
        parts = [a, b] if self._projection is None else [self._projected(a, b)]
        places = _places(grid, pairs.grid, map_.device)
        features = unit(map_.flatten(0, 1))
        joined = torch.cat([features, *(part[places] for part in parts)], 1)
        return joined.unflatten(0, grid)

    def _projected(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        assert self._projection is not None
        step = max(1, _BYTES // (4 * self._projection.n_in))
        parts = []
        for x, y in zip(a.split(step), b.split(step)):
            products = (y[:, :, None] * x[:, None, :]).flatten(1)
            parts.append(unit(self._projection(products)))
        return torch.cat(parts)


def _places(
    grid: tuple[int, int], of: tuple[int, int], device: torch.device
) -> torch.Tensor:
    """Numbers of the positions of one grid in which those of another have their
    middle."""
    row, column = (
        ((torch.arange(n, device=device) * 2 + 1) * m) // (2 * n)
        for n, m in zip(grid, of)
    )
    return (row[:, None] * of[1] + column).flatten()
