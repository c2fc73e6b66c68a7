"""What ``fit`` does, in order; nothing is set on the estimator."""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifiers import SoftKNNClassifier, clip_n_neighbors
from ..extraction import n_workers, show_progress
from ..features._backbone_loader import BackboneLoader
from ..features._shared_parameters import memory_folder
from ..modalities import ItemSource
from ..utils._warn import warn
from ._augmentation import TrainingViews
from ._bank import Bank
from ._checkpoint import Checkpoint, checkpoint_key
from ._held_images import HeldImages
from ._schedule import Schedule
from ._trainable import TrainableParts
from ._trained_loader import TrainedLoader, copy_state
from ._training import Recipe, Trained, Training, TrainingData
from ._validation import HeldOut, hold_out

# What a checkpoint belongs to, besides images, labels, seed and the backbone itself.
_DECIDING = (
    "n_neighbors",
    "tau",
    "alpha",
    "lam",
    "refresh",
    "epochs",
    "trainable",
    "learning_rate",
    "optimizer",
    "momentum",
    "weight_decay",
    "warmup_epochs",
    "batch_size",
    "augment",
    "min_crop",
    "batch_norm",
    "validation_fraction",
    "patience",
)


@dataclass(frozen=True)
class FittedBackbone:
    """What ``fit`` finds.

    Attributes
    ----------
    trained : Trained
    loader : TrainedLoader
        Of the trained backbone, loaded.
    knn : SoftKNNClassifier
        Fitted on its features.
    knn_proba : ndarray of shape (n_training_rows,), float64
    """

    trained: Trained
    loader: TrainedLoader
    knn: SoftKNNClassifier
    knn_proba: NDArray[np.float64]


def fit_backbone(
    params: Any,
    items: ItemSource,
    y: NDArray[Any],
    *,
    seed: int,
    loader: BackboneLoader,
) -> FittedBackbone:
    """Train a backbone and a head, then fit the votes on its features.

    Parameters
    ----------
    params : FineTunedJointClassifier
        Its parameters are read.
    items : ItemSource
        Of images.
    y : ndarray of shape (n,)
        Class labels.
    seed : int
    loader : BackboneLoader
        Of the backbone before training.

    Returns
    -------
    FittedBackbone
    """
    n_threads = n_workers(params.n_jobs)
    classes, codes = np.unique(y, return_inverse=True)
    training_rows, held_rows = hold_out(codes, params.validation_fraction, seed)
    knn = _unfitted_knn(params, len(training_rows))
    held = HeldImages(items, params.image_cache_bytes)
    training_items = held.rows(training_rows)
    data = TrainingData(
        items=training_items,
        codes=codes[training_rows],
        numbers=training_rows,
        n_classes=len(classes),
        held_out=HeldOut(held.rows(held_rows), codes[held_rows])
        if len(held_rows)
        else None,
    )
    recipe = Recipe(
        schedule=Schedule(
            optimizer=params.optimizer,
            learning_rate=params.learning_rate,
            momentum=params.momentum,
            weight_decay=params.weight_decay,
            epochs=params.epochs,
            warmup_epochs=params.warmup_epochs,
            batch_size=params.batch_size,
        ),
        refresh=params.refresh,
        alpha=params.alpha,
        lam=params.lam,
        patience=params.patience,
        seed=seed,
        n_threads=n_threads,
    )
    # Built once more with weights given from outside, as after unpickling: if that is
    # not possible, training need not begin.
    learner = TrainedLoader(loader.settings, copy_state(loader.extractor.module))
    extractor: Any = learner.extractor
    bank_settings = {"alpha": params.alpha, "n_threads": n_threads}
    training = Training(
        learner,
        TrainableParts(extractor.module, params.trainable, params.batch_norm),
        data,
        bank=Bank(learner, training_items, y[training_rows], knn=knn, **bank_settings),
        views=TrainingViews(
            extractor, augment=params.augment, min_crop=params.min_crop, seed=seed
        ),
        recipe=recipe,
        checkpoint=_checkpoint(params, extractor, items, codes, seed),
    )
    with show_progress(params.verbose, params.epochs, "fine-tuning", "epoch") as shown:
        trained = training.run(shown.delivered)
    final = TrainedLoader(loader.settings, trained.state)
    bank = Bank(final, training_items, y[training_rows], knn=knn, **bank_settings)
    bank.refresh()
    assert bank.knn is not None
    return FittedBackbone(trained, final, bank.knn, bank.own_proba())


def _unfitted_knn(params: Any, n_rows: int) -> SoftKNNClassifier:
    n_neighbors = params.n_neighbors
    if not isinstance(n_neighbors, str):
        # Here, so that a warning comes once and not with every bank.
        n_neighbors = clip_n_neighbors(int(n_neighbors), n_rows)
    return SoftKNNClassifier(
        n_neighbors,
        tau=params.tau,
        algorithm=params.algorithm,
        device=params.device,
        n_jobs=params.n_jobs,
    )


def _checkpoint(
    params: Any, extractor: Any, items: ItemSource, codes: NDArray[np.intp], seed: int
) -> Checkpoint | None:
    folder = memory_folder(params.memory)
    if folder is None:
        return None
    if not isinstance(params.random_state, numbers.Integral):
        warn(
            f"memory: no checkpoints are written with random_state="
            f"{params.random_state!r}, because the next fit draws another seed and "
            "could not go on from them. Set random_state to an int."
        )
        return None
    settings: dict[str, Any] = {name: getattr(params, name) for name in _DECIDING}
    settings = {name: _plain(value) for name, value in settings.items()}
    settings |= {"seed": seed, "algorithm": repr(params.algorithm)}
    return Checkpoint(folder, checkpoint_key(extractor, items, codes, settings))


def _plain(value: Any) -> Any:
    """Numbers of numpy as those of Python, sequences as lists."""
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
