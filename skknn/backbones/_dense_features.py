"""What of a module's forward pass becomes a map: one vector a position."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ._pooling import to_feature_map

# Grids end a row as whole multiples of this: small beside features, so that what
# compares rows relative to their largest number compares features.
_GRID_UNIT = 2.0**-20
#: Numbers after the map in a row: height and width of its grid.
N_GRID = 2


class _Stop(Exception):
    pass


class RecordHook:
    """Run a module and take what some of its parts give.

    Parameters
    ----------
    names : sequence of str
        The parts'.
    last : bool
        Whether the output of the whole module is wanted too; else it is run no
        further than needed.
    """

    def __init__(self, names: Sequence[str], last: bool) -> None:
        self._names, self._last = tuple(names), last
        self._seen = threading.local()

    @contextmanager
    def on(self, module: nn.Module) -> Iterator[None]:
        """Hook the parts; unhook them at the end, also after an error."""
        with ExitStack() as stack:
            for name in self._names:
                part = module.get_submodule(name)
                handle = part.register_forward_hook(self._taker(name))
                stack.callback(handle.remove)
            yield

    def run(self, module: nn.Module, x: torch.Tensor) -> dict[str | None, Any]:
        """Return the outputs by name; that of the whole module under None.

        Raises
        ------
        ValueError
            If a part is never called.
        """
        found: dict[str | None, Any] = {}
        self._seen.found = found
        try:
            found[None] = getattr(module, "forward_features", module)(x)
        except _Stop:
            pass
        finally:
            self._seen.found = None
        for name in self._names:
            if name not in found:
                raise ValueError(
                    f"layer={name!r} is never run by the backbone. Name another one."
                )
        return found

    def _taker(self, name: str) -> Any:
        def take(part: nn.Module, args: tuple, output: Any) -> None:
            found = getattr(self._seen, "found", None)
            if found is None:
                return
            # A module may go on to change its tensor in place.
            copied = isinstance(output, torch.Tensor)
            found[name] = output.clone() if copied else output
            if not self._last and len(found) == len(self._names):
                raise _Stop

        return take


class DenseFeatures:
    """Vectors for all positions, from one layer or several on one grid.

    Parameters
    ----------
    layers : sequence of str or None
        Names of parts; None is the last feature map.
    stride : int or None
        Pixels between neighbouring positions. None takes the grid of the finest of
        the layers.
    tokens : bool
        Whether the last feature map is wanted besides, for :meth:`with_tokens`.

    Attributes
    ----------
    n_channels : int or None
        Length of a vector, once a picture has been run.
    token_width : int or None
        Length of a vector of the last feature map, once one was wanted.
    """

    #: Positions are not pooled.
    pooling = "none"

    def __init__(
        self, layers: Sequence[str | None], stride: int | None, tokens: bool = False
    ) -> None:
        self.layers, self.stride, self._tokens = tuple(layers), stride, tokens
        self.n_channels: int | None = None
        self.token_width: int | None = None

    def __call__(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Return maps (n, height * width * n_channels) of normalised pixels.

        Behind them the directions of the tokens, where these are wanted: whoever
        compares modules has to see all that they give.
        """
        with self.hooked(module) as hook:
            if not self._tokens:
                return self._map(hook.run(module, x), module, x).flatten(1)
            maps, tokens = self.with_tokens(module, x, hook)
            parts = maps, F.normalize(tokens, dim=2)
            return torch.cat([part.flatten(1) for part in parts], 1)

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[RecordHook]:
        """Hook the layers for many calls of :meth:`of`."""
        names = list(dict.fromkeys(name for name in self.layers if name is not None))
        hook = RecordHook(names, self._tokens or None in self.layers)
        with hook.on(module):
            yield hook

    def of(self, module: nn.Module, x: torch.Tensor, hook: Any) -> torch.Tensor:
        """Return rows: maps as above, then their grid in units of 2**-20."""
        return as_rows(self._map(hook.run(module, x), module, x).float())

    def with_tokens(
        self, module: nn.Module, x: torch.Tensor, hook: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps (n, h, w, n_channels), and the last feature map's vectors.

        Parameters
        ----------
        module : torch.nn.Module
        x : tensor of shape (n, 3, H, W)
        hook : RecordHook
            What :meth:`hooked` gave.

        Returns
        -------
        maps : float32 tensor of shape (n, h, w, n_channels)
        tokens : float32 tensor of shape (n, P + h' * w', token_width)
            Class and register tokens first, then positions row by row.
        """
        found = hook.run(module, x)
        last = to_feature_map(found[None], module, size=tuple(x.shape[2:]))
        tokens = torch.cat([last.prefix, last.spatial.flatten(2).mT], 1).float()
        self.token_width = tokens.shape[2]
        return self._map(found, module, x).float(), tokens

    def _map(
        self, found: dict[str | None, Any], module: nn.Module, x: torch.Tensor
    ) -> torch.Tensor:
        size = tuple(x.shape[2:])
        maps = [
            to_feature_map(found[name], module, size=size).spatial
            for name in self.layers
        ]
        grid = self._grid(maps, size)
        if len(maps) == 1:
            joined = _resampled(maps[0], grid)
        else:
            # Channels of one layer are hundreds of times larger than another's.
            parts = [F.normalize(_resampled(m.float(), grid)) for m in maps]
            joined = torch.cat(parts, 1)
        self.n_channels = joined.shape[1]
        return joined.permute(0, 2, 3, 1)

    def _grid(self, maps: list, size: tuple[int, ...]) -> tuple[int, int]:
        if self.stride is None:
            grids = [(m.shape[2], m.shape[3]) for m in maps]
            return max(grids, key=lambda grid: grid[0] * grid[1])
        height, width = (max(1, -(-side // self.stride)) for side in size)
        return height, width


def as_rows(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (n, h, w, d) as rows, each followed by its grid."""
    # Filled on the device: a tensor of them would be waited for.
    grid = (maps.new_full((len(maps), 1), n * _GRID_UNIT) for n in maps.shape[1:3])
    return torch.cat([maps.flatten(1), *grid], 1)


def grid_of_row(row: Any) -> tuple[int, int]:
    """Return (height, width) of the grid that ends a row of :class:`DenseFeatures`."""
    height, width = (round(float(v) / _GRID_UNIT) for v in row[-N_GRID:])
    return height, width


def _resampled(x: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Average down to a coarser grid, interpolate up to a finer one."""
    here = x.shape[2], x.shape[3]
    if here == grid:
        return x
    if here[0] >= grid[0] and here[1] >= grid[1]:
        return F.adaptive_avg_pool2d(x, grid)
    return F.interpolate(x, grid, mode="bilinear", align_corners=False)
