"""An objective with everything that was drawn for it, on the device."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._random import Head
from .objectives import Objective


class Task:
    """An objective at work: embeddings -> latents -> slopes of its loss.

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

    def __init__(
        self,
        objective: Objective,
        heads: Mapping[str, Head],
        bank: NDArray[np.float32] | None,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.objective = objective
        # float64 is cheap at this size and keeps p - 1/C from cancelling.
        self.device = torch.device("cpu") if device.type == "mps" else device
        self.heads = {
            name: (self._tensor(weight), self._tensor(bias))
            for name, (weight, bias) in heads.items()
        }
        self.bank = None
        if bank is not None and len(bank):
            self.bank = objective.make_bank(self._tensor(bank), rng)

    def latents(self, embeddings: torch.Tensor) -> Any:
        """Return the head outputs of embeddings (n, V, E), float64.

        A tensor (n, V, head_dim), or a dict of them where there are several heads.
        """
        e = embeddings.to(self.device, torch.float64)
        if self.objective.normalize_embedding:
            e = e / e.norm(dim=-1, keepdim=True).clamp_min(1e-30)
        z = {name: e @ weight.mT + bias for name, (weight, bias) in self.heads.items()}
        return z if len(z) > 1 else next(iter(z.values()))

    def slopes(
        self, embeddings: torch.Tensor, bank: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return dL/de scaled by powers of two, and those powers.

        Parameters
        ----------
        embeddings : tensor of shape (n, V, E)
        bank : tensor, optional
            What these images are compared with, in the place of what all are.

        Returns
        -------
        slopes : float32 tensor of shape (n, V, E)
            The largest entry of an image is between 1 and 2, or all are 0, so
            nothing underflows on the way down.
        exponents : int32 tensor of shape (n,)
            dL/de is ``slopes * 2 ** exponents``.
        """
        with torch.enable_grad():
            e = embeddings.to(self.device, torch.float64).requires_grad_()
            bank = self.bank if bank is None else bank
            loss = self.objective.loss(self.latents(e), bank)
            self._check_loss(loss, len(e))
            (slope,) = torch.autograd.grad(loss.sum(), e)
        # An accelerator would have to be waited for; rows are looked at in the end.
        if self.device.type == "cpu" and not slope.isfinite().all():
            if e.isfinite().all():
                raise ValueError(
                    f"{type(self.objective).__name__}.loss, or its gradient, is NaN or "
                    "infinite for features that are finite. Keep clear of what has no "
                    "value or slope there, as a logarithm or root of zero."
                )
        exponents = _exponents(slope)
        slope = slope * torch.exp2(-exponents.double())[:, None, None]
        return slope.to(embeddings.device, torch.float32), exponents

    def _check_loss(self, loss: Any, n: int) -> None:
        """Refuse what is not one loss for each of ``n`` items, with a gradient."""
        name = f"{type(self.objective).__name__}.loss"
        if isinstance(loss, torch.Tensor) and loss.shape != (n,):
            raise ValueError(
                f"{name} returned shape {tuple(loss.shape)} for {n} items; expected "
                f"({n},), one loss an item."
            )
        if not isinstance(loss, torch.Tensor) or not loss.requires_grad:
            raise ValueError(
                f"{name} returned a value without gradient. Compute it from latents by "
                "torch's own operations, without detach(), item(), numpy() or "
                "torch.no_grad()."
            )

    def _tensor(self, array: NDArray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array)).to(self.device, torch.float64)


def _exponents(values: torch.Tensor) -> torch.Tensor:
    """Return the binary exponent of each image's largest entry, less 1; 0 for 0."""
    largest = values.abs().flatten(1).amax(1)
    exponents = torch.frexp(largest).exponent - 1
    return torch.where(largest > 0, exponents, 0)
