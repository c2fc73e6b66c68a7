"""torch's optimisers and schedules, with the settings of R."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

OPTIMIZERS = ("sgd", "adamw")
# The learning rate is that of so many images a step (R, Table 6).
_REFERENCE_BATCH = 256


@dataclass(frozen=True)
class Schedule:
    """How large the steps are, and how many.

    Attributes
    ----------
    optimizer : {"sgd", "adamw"}
    learning_rate : float
        For steps of 256 images; smaller ones are in proportion.
    momentum, weight_decay : float
    epochs : int
    warmup_epochs : int or "auto"
        "auto" is a sixth of the epochs, and 5 at most.
    batch_size : int
    """

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    epochs: int
    warmup_epochs: int | str
    batch_size: int

    def n_batches(self, n_rows: int) -> int:
        """Return the number of steps in an epoch."""
        return math.ceil(n_rows / self.batch_size)

    def make(
        self, parameters: Iterable[torch.nn.Parameter], n_rows: int
    ) -> tuple[torch.optim.Optimizer, LRScheduler]:
        """Return the optimiser and what sets its learning rate after every step."""
        rate = self.learning_rate * min(self.batch_size, n_rows) / _REFERENCE_BATCH
        optimizer: torch.optim.Optimizer
        if self.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                parameters,
                lr=rate,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
            )
        else:
            optimizer = torch.optim.AdamW(
                parameters, lr=rate, weight_decay=self.weight_decay
            )
        per_epoch = self.n_batches(n_rows)
        warm = per_epoch * self._n_warm()
        rest = max(1, per_epoch * self.epochs - warm)

        def share(step: int) -> float:
            """Return a step's part of the rate: a line up, then half a cosine down."""
            if step < warm:
                return (step + 1) / (warm + 1)
            return (1 + math.cos(math.pi * (step - warm) / rest)) / 2

        return optimizer, LambdaLR(optimizer, share)

    def _n_warm(self) -> int:
        if isinstance(self.warmup_epochs, str):
            return min(5, self.epochs // 6)
        return min(self.warmup_epochs, self.epochs)
