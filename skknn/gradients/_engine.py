"""Per-image gradients of one layer: forwards, losses, outer products."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ..backbones._device_memory import free_bytes
from ..backbones._network import Network
from ._forward import Recorded, choose_forward
from ._items_first import items_are_first, looked_at
from ._outer_products import add_outer_products, gradient_size
from ._tasks import Task
from ._view_group import ViewGroup

# Autograd graphs of one image's views that may wait for its loss in each thread of a
# CPU; above this the forward is repeated for the backward pass.
_GRAPH_BYTES = 256 * 2**20
# On a card they may take this share of what is free.
_GRAPH_SHARE = 4


class GradientEngine:
    """Gradients of one layer of a frozen backbone.

    Holds no state of a run; see :meth:`open`.

    Parameters
    ----------
    network : Network
    layer : str
        Name of a Linear or Conv2d of ``network.module``.
    n_views : int
        Largest number of views in one forward pass.

    Attributes
    ----------
    shape : (rows, columns)
        Of a gradient.
    size : int
        Their product.
    """

    def __init__(self, network: Network, layer: str, n_views: int) -> None:
        self.network, self.n_views = network, n_views
        self.layer = network.module.get_submodule(layer)
        self.shape = gradient_size(self.layer)
        self.size = self.shape[0] * self.shape[1]
        self.forward = choose_forward(network, layer)
        self._bytes_a_view: dict[torch.Size, int] = {}
        self._order_is_known = False

    @contextmanager
    def open(self) -> Iterator["GradientRun"]:
        """Hook the module; unhook it at the end, also after an error.

        Yields
        ------
        GradientRun
            To be used from any number of threads.
        """
        limit = _GRAPH_BYTES
        if self.network.device.type == "cuda":
            # Asked for once: the answer takes longer than a forward pass's launch.
            limit = free_bytes(self.network.device) // _GRAPH_SHARE
        with self.forward.hooked() as forward:
            yield GradientRun(self, forward, limit)

    def images_at_once(self, n_views: int) -> int:
        """Return how many images with so many views share a forward pass."""
        return max(1, self.n_views // n_views)

    def graph_bytes(
        self, views: list[torch.Tensor], forward: Callable[[torch.Tensor], Recorded]
    ) -> int:
        """Return what autograd keeps for all these views."""
        shape = views[0].shape[2:]
        if shape not in self._bytes_a_view:
            pixels = views[0][:1, :1].flatten(0, 1)
            # What does not grow with the views is weights, or casts of weights.
            one, two = (
                _saved_bytes(forward, self.network.normalize(pixels.expand(n, *shape)))
                for n in (1, 2)
            )
            self._bytes_a_view[shape] = two - one
        n_views = sum(part.shape[0] * part.shape[1] for part in views)
        return n_views * self._bytes_a_view[shape]

    def check_order(
        self,
        views: torch.Tensor,
        inputs: list[torch.Tensor],
        n: int,
        record: Callable[[torch.Tensor], Recorded],
    ) -> None:
        """Refuse a layer that mixes ``n`` items; looks until it could tell.

        Raises
        ------
        ValueError
            If what it got, ``inputs``, are not items one behind the other.
        """
        if not self._order_is_known and n > 1:
            of_each = views.unflatten(0, (n, -1))
            alone = {item: record(of_each[item])[1] for item in looked_at(n)}
            module = self.network.module
            self._order_is_known = items_are_first(module, alone, inputs, n)


class GradientRun:
    """An engine with its hook in place.

    Parameters
    ----------
    engine : GradientEngine
    forward : callable
        What ``engine.forward.hooked()`` gave.
    graph_limit : int
        Bytes of autograd's graphs that may wait for a loss.
    """

    def __init__(
        self,
        engine: GradientEngine,
        forward: Callable[[torch.Tensor], Recorded],
        graph_limit: int,
    ) -> None:
        self._engine, self._forward = engine, forward
        self._graph_limit = graph_limit

    def embed(self, views: ViewGroup) -> torch.Tensor:
        """Return embeddings (n, V, E) of views."""
        network = self._engine.network
        with torch.no_grad():
            parts = [
                self._forward(network.normalize(chunk))[0].detach()
                for chunk in self._chunks(views)
            ]
            return views.spread(_by_image(parts, views.n))

    def gradients(
        self, views: ViewGroup, tasks: list[Task]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """Return gradients and embeddings of a few images.

        Parameters
        ----------
        views : ViewGroup
            Several images only when all their views fit into one forward pass.
        tasks : list of Task
            Objectives that look at these views.

        Returns
        -------
        gradients : list of float32 tensors (n, m)
            For each task; the true gradient is ``2 ** exponents`` times it.
        exponents : list of int tensors (n,)
        embeddings : float32 tensor (n, V, E)
        """
        n, engine = views.n, self._engine
        chunks = list(self._chunks(views))
        # A pass whose graph does not fit would fit no better when it is repeated.
        keep = (
            len(chunks) == 1
            or engine.graph_bytes(views.parts, self._forward) <= self._graph_limit
        )
        passes: list[Recorded | None] = []
        parts = []
        for chunk in chunks:
            done = self._record(chunk)
            engine.check_order(chunk, done[1], n, self._record)
            passes.append(done if keep else None)
            parts.append(done[0].detach())
            del done
        embeddings = views.spread(_by_image(parts, n))
        of_views, exponents = zip(*(task.slopes(embeddings) for task in tasks))
        slopes = [views.gathered(each) for each in of_views]
        gradients = [
            torch.zeros(n, *engine.shape, device=embeddings.device) for _ in tasks
        ]
        start = 0
        for i, part in enumerate(parts):
            count = len(part) // n
            e, inputs, outputs = passes[i] or self._record(chunks[i])
            passes[i] = None
            for j, slope in enumerate(slopes):
                seed = slope[:, start : start + count].reshape(e.shape)
                b = torch.autograd.grad(
                    e, outputs, seed, retain_graph=j + 1 < len(slopes)
                )
                for a_call, b_call in zip(inputs, b):
                    add_outer_products(gradients[j], engine.layer, a_call, b_call)
            start += count
            del e, inputs, outputs
        return [g.flatten(1) for g in gradients], list(exponents), embeddings

    def _record(self, pixels: torch.Tensor) -> Recorded:
        with torch.enable_grad():
            return self._forward(self._engine.network.normalize(pixels))

    def _chunks(self, views: ViewGroup) -> Iterator[torch.Tensor]:
        """Cut views into forward passes; never one image's views with another's
        unless everything fits into one pass."""
        for part in views.parts:
            n, count = part.shape[:2]
            flat = part.flatten(0, 1)
            step = self._engine.n_views if n == 1 else n * count
            # Equal passes instead of full ones and a small rest.
            n_passes = -(-len(flat) // step)
            bounds = np.linspace(0, len(flat), n_passes + 1).round().astype(int)
            for low, high in zip(bounds[:-1], bounds[1:]):
                yield flat[low:high]


def _by_image(parts: list[torch.Tensor], n: int) -> torch.Tensor:
    """Embeddings of passes -> (n, V, E), the views in order."""
    return torch.cat([part.unflatten(0, (n, -1)) for part in parts], dim=1)


def _saved_bytes(forward: Callable[[torch.Tensor], object], x: torch.Tensor) -> int:
    """Return the bytes that autograd keeps for ``forward(x)``."""
    seen: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
    ):
        forward(x)
    return sum(seen.values())
