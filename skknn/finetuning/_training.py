"""Epochs: steps on the weighted loss, with weights from the bank of the moment."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from ..classifiers import mix_proba
from ..features._backbone_loader import BackboneLoader
from ..gradients._random import generator
from ..modalities import ItemSource
from ..utils._precision import exact_float32
from ..utils._torch_random import seeded_torch
from ._augmentation import TrainingViews
from ._bank import Bank, embed
from ._head import head_proba
from ._schedule import Schedule
from ._trainable import TrainableParts
from ._trained_loader import copy_state
from ._validation import HeldOut, best_epoch, is_over

if TYPE_CHECKING:
    from ..backbones import Extractor
    from ._checkpoint import Checkpoint


@dataclass(frozen=True)
class TrainingData:
    """What is learnt from.

    Attributes
    ----------
    items : ItemSource
        Of images.
    codes : ndarray of shape (n,), intp
        Class number of each.
    numbers : ndarray of shape (n,), intp
        Row of each in what the user passed.
    n_classes : int
    held_out : HeldOut or None
    """

    items: ItemSource
    codes: NDArray[np.intp]
    numbers: NDArray[np.intp]
    n_classes: int
    held_out: HeldOut | None


@dataclass(frozen=True)
class Recipe:
    """How it is learnt.

    Attributes
    ----------
    schedule : Schedule
    refresh : {"epoch", "test"}
    alpha, lam : float
    patience : int or None
    seed : int
    n_threads : int
    """

    schedule: Schedule
    refresh: str
    alpha: float
    lam: float
    patience: int | None
    seed: int
    n_threads: int


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes
    ----------
    state : dict of str to tensor
        Of the backbone, on the CPU.
    head : torch.nn.Linear
        On the CPU, frozen.
    history : list of dict
        One entry an epoch.
    n_epochs : int
        Epochs after which backbone and head were taken.
    """

    state: dict[str, torch.Tensor]
    head: nn.Linear
    history: list[dict[str, float]]
    n_epochs: int


class Training:
    """Backbone and head under way.

    Parameters
    ----------
    loader : BackboneLoader
        Its backbone is trained in place.
    parts : TrainableParts
        Of that backbone.
    data : TrainingData
    bank : Bank
    views : TrainingViews
    recipe : Recipe
    checkpoint : Checkpoint or None
        Where every epoch is written to, and from where it goes on.
    """

    def __init__(
        self,
        loader: BackboneLoader,
        parts: TrainableParts,
        data: TrainingData,
        *,
        bank: Bank,
        views: TrainingViews,
        recipe: Recipe,
        checkpoint: "Checkpoint | None",
    ) -> None:
        self._loader, self._parts, self._data = loader, parts, data
        self._bank, self._views, self._recipe = bank, views, recipe
        self._checkpoint = checkpoint
        extractor: Any = loader.extractor
        self._extractor: Extractor = extractor
        self._network = extractor.plain_network()
        self._head = new_head(extractor.n_features, data.n_classes).to(extractor.device)
        learning = [*parts.parameters(), *self._head.parameters()]
        self._optimizer, self._scheduler = recipe.schedule.make(
            learning, len(data.codes)
        )
        self._history: list[dict[str, float]] = []
        self._best: dict[str, Any] | None = None
        self._weights = np.ones(len(data.codes))
        self._mean_proba = float("nan")
        # Whether the bank is that of the network as it is.
        self._bank_is_fresh = False

    def run(self, tell: Any) -> Trained:
        """Train from the last checkpoint, or from the start.

        Parameters
        ----------
        tell : callable
            Called with the number of epochs that have come to their end.
        """
        recipe = self._recipe
        self._resume()
        tell(len(self._history))
        # Parts of networks draw from torch's own generators.
        with exact_float32(), seeded_torch() as seed_all:
            while len(self._history) < recipe.schedule.epochs:
                if is_over(self._history, recipe.patience):
                    break
                self._epoch(len(self._history), seed_all)
                tell(1)
        state = self._state_of_network() if self._best is None else self._best
        head = new_head(self._head.in_features, self._head.out_features)
        head.load_state_dict(state["head"])
        n_epochs = len(self._history)
        if self._data.held_out is not None:
            n_epochs = best_epoch(self._history) + 1
        return Trained(
            state["module"], head.requires_grad_(False), self._history, n_epochs
        )

    def _epoch(self, number: int, seed_all: Callable[[int], None]) -> None:
        start = time.perf_counter()
        refreshing = self._weigh(number)
        seed_all(self._draw("network", number))
        rate = float(self._scheduler.get_last_lr()[0])
        self._parts.start_learning()
        try:
            loss = self._steps(number)
        finally:
            self._parts.stop_learning()
        self._bank_is_fresh = False
        entry: dict[str, float] = {
            "epoch": number + 1,
            "loss": loss,
            "learning_rate": rate,
            "mean_weight": float(self._weights.mean()),
            "mean_knn_proba": self._mean_proba,
        }
        if self._data.held_out is not None:
            refreshing += self._refresh_for_votes()
            entry |= self._validate(self._data.held_out)
        entry |= {
            "refresh_seconds": refreshing,
            "seconds": time.perf_counter() - start,
        }
        self._history.append(entry)
        if self._data.held_out is not None and best_epoch(self._history) == number:
            self._best = self._state_of_network()
        if self._checkpoint is not None:
            self._checkpoint.write(self._state())

    def _weigh(self, number: int) -> float:
        """Set the rows' weights where they change; return the seconds it took."""
        recipe, seconds = self._recipe, 0.0
        if recipe.alpha == 0 or (recipe.refresh == "test" and number > 0):
            return seconds
        if not self._bank_is_fresh:
            self._bank.refresh()
            seconds = self._bank.seconds
        weights = self._bank.weights()
        self._weights = weights.sample_weight
        self._mean_proba = float(weights.knn_proba.mean())
        return seconds

    def _steps(self, number: int) -> float:
        """Go once through all rows; return the mean weighted loss."""
        data, device = self._data, self._extractor.device
        rng = generator(self._recipe.seed, "order of rows", str(number))
        order = rng.permutation(len(data.codes))
        # Parts of nearly equal size: a last one of one row has no statistics.
        parts = np.array_split(order, self._recipe.schedule.n_batches(len(order)))
        codes = torch.from_numpy(data.codes).to(device)
        weights = torch.from_numpy(self._weights.astype(np.float32)).to(device)
        total = 0.0
        for rows, pixels in self._batches(parts, number):
            chosen = torch.from_numpy(rows).to(device)
            features = self._features(pixels)
            losses = cross_entropy(
                self._head(features), codes[chosen], reduction="none"
            )
            # R, Eq. 4; the weights are constants.
            loss = (weights[chosen] * losses).mean()
            value = loss.item()
            if not np.isfinite(value):
                raise self._diverged(value, number, rows)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            self._scheduler.step()
            total += value * len(rows)
        return total / len(order)

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features of a step, on which gradients are taken."""
        try:
            return self._network.features(self._network.normalize(pixels))
        except ValueError as error:
            if len(pixels) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"batch_norm='update' and batch_size="
                f"{self._recipe.schedule.batch_size}: a step of the "
                f"{len(self._data.codes)} training rows has one image, on which this "
                "backbone's batch normalisation has no statistics. Use a larger "
                "batch_size, or batch_norm='frozen'."
            ) from error

    def _batches(
        self, parts: list[NDArray[np.intp]], number: int
    ) -> Iterator[tuple[NDArray[np.intp], torch.Tensor]]:
        """Decode and cut the images of a step while the step before is computed."""

        def view(row: int) -> torch.Tensor:
            image = self._data.items.item(row)
            return self._views(image, number, int(self._data.numbers[row]))

        threads = ThreadPoolExecutor(self._recipe.n_threads, "skknn-views")
        try:
            coming: list[Future] = [threads.submit(view, row) for row in parts[0]]
            for i, rows in enumerate(parts):
                futures, following = coming, parts[i + 1 : i + 2]
                coming = [threads.submit(view, r) for part in following for r in part]
                yield rows, torch.stack([future.result() for future in futures])
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _refresh_for_votes(self) -> float:
        if self._recipe.refresh == "test" or self._recipe.lam == 0:
            return 0.0
        self._bank.refresh()
        self._bank_is_fresh = True
        return self._bank.seconds

    def _validate(self, held_out: HeldOut) -> dict[str, float]:
        """Score what would be predicted now; the head alone without a fresh bank."""
        features = embed(self._loader, held_out.items, self._recipe.n_threads)
        proba = head_proba(self._head, features)
        if self._bank_is_fresh:
            assert self._bank.knn is not None
            votes = self._bank.knn.predict_proba(features)
            proba = mix_proba(votes, proba, self._recipe.lam)
        return held_out.scores(proba)

    def _diverged(
        self, value: float, number: int, rows: NDArray[np.intp]
    ) -> FloatingPointError:
        shown = np.sort(self._data.numbers[rows])
        more = "" if len(shown) <= 20 else f" and {len(shown) - 20} more"
        return FloatingPointError(
            f"The loss became {value} in epoch {number + 1}, on the batch of rows "
            f"{', '.join(map(str, shown[:20]))}{more}. Use a smaller learning_rate, "
            "more warmup_epochs or precision='float32', or look at these rows."
        )

    def _resume(self) -> None:
        found = None if self._checkpoint is None else self._checkpoint.read()
        if found is None:
            return
        self._extractor.module.load_state_dict(found["network"]["module"])
        self._head.load_state_dict(found["network"]["head"])
        self._optimizer.load_state_dict(found["optimizer"])
        self._scheduler.load_state_dict(found["scheduler"])
        self._history, self._best = found["history"], found["best"]
        self._weights = found["weights"].numpy()
        self._mean_proba = found["mean_knn_proba"]

    def _state(self) -> dict[str, Any]:
        return {
            "network": self._state_of_network(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "history": self._history,
            "best": self._best,
            "weights": torch.from_numpy(self._weights),
            "mean_knn_proba": self._mean_proba,
        }

    def _state_of_network(self) -> dict[str, Any]:
        module = copy_state(self._extractor.module)
        return {"module": module, "head": copy_state(self._head)}

    def _draw(self, what: str, number: int) -> int:
        rng = generator(self._recipe.seed, what, str(number))
        return int(rng.integers(2**63 - 1))


def new_head(n_features: int, n_classes: int) -> nn.Linear:
    """Return a linear layer of zeros, on the CPU.

    Random weights would begin with a loss above that of guessing, and send its
    gradients through the backbone.
    """
    head = nn.Linear(n_features, n_classes, device="meta").to_empty(device="cpu")
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return head
