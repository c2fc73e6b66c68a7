"""Per-image gradients of one layer: forwards, losses, outer products."""

import numpy as np
import torch

from ._forward import make_forward
from ._hooks import graph_bytes
from ._layer import gradient_size, input_rows, output_rows
from ._network import Network

# Autograd graphs of one image's views that may wait for its loss; above this the
# forward is repeated for the backward pass.
_GRAPH_BYTES = 256 * 2**20


class Task:
    """One objective with everything drawn for it, on the device.

    Parameters
    ----------
    objective : Objective
    heads : dict name -> (weight, bias) arrays
    bank : ndarray or None
        Latents of the bank images, before :meth:`Objective.make_bank`.
    rng : numpy.random.Generator
        For ``make_bank``.
    device : torch.device
    """

    def __init__(self, objective, heads, bank, rng, device):
        self.objective = objective
        # float64 is free at this size and keeps p - 1/C from cancelling.
        self.device = torch.device("cpu") if device.type == "mps" else device
        self.heads = {
            name: tuple(self._tensor(array) for array in head)
            for name, head in heads.items()
        }
        self.bank = None
        if bank is not None and len(bank):
            self.bank = objective.make_bank(self._tensor(bank), rng)

    def latents(self, embeddings):
        """Return the head outputs of embeddings (n, V, E)."""
        e = embeddings
        if self.objective.normalize_embedding:
            e = e / e.norm(dim=-1, keepdim=True).clamp_min(1e-30)
        z = {name: e @ weight.mT + bias for name, (weight, bias) in self.heads.items()}
        return z if len(z) > 1 else next(iter(z.values()))

    def slopes(self, embeddings):
        """Return dL/de scaled by powers of two, and those powers.

        Parameters
        ----------
        embeddings : tensor of shape (n, V, E)

        Returns
        -------
        slopes : float32 tensor of shape (n, V, E)
            The largest entry of an image is between 1 and 2, or all are 0, so
            nothing underflows on the way down.
        exponents : ndarray of shape (n,), int
            dL/de is ``slopes * 2 ** exponents``.
        """
        with torch.enable_grad():
            e = embeddings.to(self.device, torch.float64).requires_grad_()
            loss = self.objective.loss(self.latents(e), self.bank)
            if loss.shape != (len(e),):
                raise ValueError(
                    f"{type(self.objective).__name__}.loss returned shape "
                    f"{tuple(loss.shape)} for {len(e)} images; expected ({len(e)},), "
                    "one loss an image."
                )
            (slope,) = torch.autograd.grad(loss.sum(), e)
        exponents = _exponents(slope)
        slope = slope * torch.exp2(-exponents.double())[:, None, None]
        return (
            slope.to(embeddings.device, torch.float32),
            exponents.cpu().numpy().astype(np.int64),
        )

    def _tensor(self, array):
        return torch.from_numpy(np.asarray(array)).to(self.device, torch.float64)


class GradientEngine:
    """Gradients of one layer of a frozen backbone.

    Use within ``with engine.open():``; then from any number of threads.

    Parameters
    ----------
    extractor : Extractor
    layer : str
        Name of a Linear or Conv2d of ``extractor.module``.
    n_views : int
        Largest number of views in one forward pass.
    """

    def __init__(self, extractor, layer, n_views):
        self.network = Network(extractor, layer)
        self.layer = self.network.layer
        self.shape = gradient_size(self.layer)
        self.size = self.shape[0] * self.shape[1]
        self.n_views = n_views
        self._forward = make_forward(self.network)
        self._bytes_a_view = None

    def open(self):
        """Hook the module; unhook it at the end, also after an error."""
        return self._forward.open()

    def embed(self, views):
        """Return embeddings (n, V, E) of uint8 views, a list of (n, V_k, 3, h, w)."""
        with torch.no_grad():
            parts = [
                self._forward.embed(self.network.normalize(chunk))
                for chunk in self._chunks(views)
            ]
            return _by_image(parts, len(views[0]))

    def __call__(self, views, tasks):
        """Return gradients and embeddings of a few images.

        Parameters
        ----------
        views : list of uint8 tensors (n, V_k, 3, h, w)
            Several images only when all their views fit into one forward pass.
        tasks : list of Task
            Objectives that look at these views.

        Returns
        -------
        gradients : list of float32 tensors (n, m)
            For each task; the true gradient is ``2 ** exponents`` times it.
        exponents : list of ndarray (n,)
        embeddings : float32 tensor (n, V, E)
        """
        n = len(views[0])
        n_views = sum(part.shape[1] for part in views)
        keep = n * n_views * self._graph_bytes(views) <= _GRAPH_BYTES
        passes, parts = [], []
        for chunk in self._chunks(views):
            done = self._forward(self.network.normalize(chunk))
            passes.append(done if keep else chunk)
            parts.append(done[0].detach())
            del done
        embeddings = _by_image(parts, n)
        slopes, exponents = zip(*(task.slopes(embeddings) for task in tasks))
        gradients = [
            torch.zeros(n, *self.shape, device=embeddings.device) for _ in tasks
        ]
        start = 0
        for i, part in enumerate(parts):
            count = len(part) // n
            done = passes[i] if keep else None
            if done is None:
                done = self._forward(self.network.normalize(passes[i]))
            passes[i] = None
            e, inputs, outputs = done
            for j, slope in enumerate(slopes):
                seed = slope[:, start : start + count].reshape(e.shape)
                b = torch.autograd.grad(
                    e, outputs, seed, retain_graph=j + 1 < len(slopes)
                )
                for a_call, b_call in zip(inputs, b):
                    self._add_product(gradients[j], a_call, b_call, n)
            start += count
            del done, e, inputs, outputs
        return [g.flatten(1) for g in gradients], list(exponents), embeddings

    def images_at_once(self, n_views):
        """Return how many images with so many views share a forward pass."""
        return max(1, self.n_views // n_views)

    def _add_product(self, total, a, b, n):
        """Add sum b a' (and sum b for the bias) of each of n images to ``total``."""
        a = input_rows(self.layer, a.float())
        b = output_rows(self.layer, b.float())
        # (n * V, in, L) -> (n, in, V * L): one matrix product an image.
        a = a.unflatten(0, (n, -1)).transpose(1, 2).flatten(2)
        b = b.reshape(n, -1, b.shape[-1])
        width = a.shape[1]
        total[:, :, :width].baddbmm_(b.mT, a.mT)
        if self.layer.bias is not None:
            total[:, :, width] += b.sum(1)

    def _chunks(self, views):
        """Cut views into forward passes; never one image's views with another's
        unless everything fits into one pass."""
        for part in views:
            n, count = part.shape[:2]
            flat = part.flatten(0, 1)
            step = self.n_views if n == 1 else n * count
            # Equal passes instead of full ones and a small rest.
            n_passes = -(-len(flat) // step)
            bounds = np.linspace(0, len(flat), n_passes + 1).round().astype(int)
            for low, high in zip(bounds[:-1], bounds[1:]):
                yield flat[low:high]

    def _graph_bytes(self, views):
        if self._bytes_a_view is None:
            x = self.network.normalize(views[0][:1, 0])
            self._bytes_a_view = graph_bytes(lambda: self._forward(x))
        return self._bytes_a_view


def _exponents(values):
    """Return the binary exponent of each image's largest entry, less 1; 0 for 0."""
    largest = values.abs().flatten(1).amax(1)
    exponents = torch.frexp(largest).exponent - 1
    return torch.where(largest > 0, exponents, 0)


def _by_image(parts, n):
    """Embeddings of passes -> (n, V, E), the views in order."""
    return torch.cat([part.unflatten(0, (n, -1)) for part in parts], dim=1)
