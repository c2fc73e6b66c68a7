"""What all transformers of items share: input, backbone, device, threads, state."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..backbones import ItemBackbone
from ..utils._parameters import ParamsMixin
from ..utils._threads import single_threaded_torch
from ..utils._warn import warn
from ._backbone_loader import BackboneLoader
from ._shared_parameters import memory_folder

if TYPE_CHECKING:
    import torch

    from ..backbones import FrozenExtractor
    from ..extraction import Progress, Rows
    from ..modalities import ItemSource, Modality
    from ._work import Work

_Made = TypeVar("_Made")

# Parameters of images alone: their defaults, and what to do with other items.
_OF_IMAGES: dict[str, tuple[Any, str]] = {
    "weights": ("auto", "Leave it 'auto' and name the model's folder in the backbone."),
    "pooling": ("auto", "Leave it 'auto' and set the backbone's own pooling."),
    "image_size": (None, "Leave it None."),
    "image_shape": (None, "Leave it None."),
    "view_size": (None, "Leave it None."),
    "backbone_params": (None, "Leave it None and set parameters of the backbone."),
}


@dataclass(frozen=True)
class TableForm:
    """How the rows of a 2-D table are images.

    Attributes
    ----------
    image_shape : (height, width) or (height, width, channels)
    value_range : (black, white)
    """

    image_shape: tuple[int, ...]
    value_range: tuple[float, float]


class ItemTransformer(ParamsMixin, TransformerMixin, BaseEstimator):
    """Base of the transformers of images, and of what other backbones take.

    Subclasses have the parameters of ``_shared_parameters.CONSTRAINTS``. A fitted one
    holds in ``__dict__``, besides what its subclass says,

    ``_table``, ``_seed``, ``_known``
        small things, always kept;
    ``_loader``
        the loaded backbone, never pickled and made again on demand.
    """

    _loader: BackboneLoader
    # What batch_size="auto" stands for where no device has to be asked.
    _usual_batch_size = 32
    # All that fit sets.
    _fitted_names: tuple[str, ...] = (
        "n_features_in_",
        "feature_names_in_",
        "failed_",
        "_table",
        "_seed",
        "_known",
        "_loader",
    )

    @property
    def backbone_(self) -> "FrozenExtractor":
        """The loaded backbone (loaded again after unpickling)."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError("backbone_ is there after fit only")
        return self._fitted_loader().extractor

    @property
    def device_(self) -> "torch.device":
        """The torch device that computes."""
        return self.backbone_.device

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_seed")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        images = not isinstance(self.backbone, ItemBackbone)
        tags.input_tags.three_d_array = tags.input_tags.two_d_array = images
        tags.input_tags.string = not images
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded backbone, which follows from name, file or seed.

        All parameters are kept as they were written, also paths.
        """
        state = dict(super().__getstate__())
        state.pop("_loader", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Import what a fitted one computes with, where torch is there already.

        That takes seconds, which a service spends better before its first answer.
        Where nobody computes, loading stays light.
        """
        super().__setstate__(state)
        if "torch" in sys.modules and self.__sklearn_is_fitted__():
            from ..backbones import build_extractor  # noqa: F401

    @property
    def _features_of_backbone(self) -> dict[str, Any]:
        """What of the backbone becomes features, for the loader."""
        return {"image_size": self.image_size, "pooling": self.pooling}

    @property
    def _modality(self) -> "Modality":
        """What the backbone takes."""
        from ..modalities import MODALITIES

        return MODALITIES[self._modality_name]

    @property
    def _modality_name(self) -> str:
        backbone = self.backbone
        return backbone.modality if isinstance(backbone, ItemBackbone) else "image"

    @property
    def _several_sizes(self) -> bool:
        """Whether a named backbone must take several input sizes."""
        return False

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Forget the last fit; of a fit that fails leave nothing."""
        self._forget()
        try:
            yield
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        for name in self._fitted_names:
            if name in vars(self):
                delattr(self, name)

    def _new_loader(self, seed: int, **more: Any) -> BackboneLoader:
        settings = {
            "backbone": self.backbone,
            "weights": self.weights,
            "backbone_params": self.backbone_params,
            "seed": seed,
            "device": self.device,
            "precision": self.precision,
            **self._features_of_backbone,
        }
        return BackboneLoader(settings, several_sizes=self._several_sizes, **more)

    def _fitted_loader(self) -> BackboneLoader:
        # Until it is loaded, parameters that say where the weights are may be mended.
        if not hasattr(self, "_loader") or not self._loader.is_loaded:
            self._loader = self._new_loader(
                self._seed, known=self._known, any_device=True
            )
        return self._loader

    def _at_work(
        self, name: str, make: "Callable[[FrozenExtractor], _Made]", *made_for: Any
    ) -> _Made:
        """What ``make`` gives of the backbone, kept as attribute ``name``.

        Made again when the backbone or ``made_for`` has changed: the network at work
        may be a copy of the module, which users may change.
        """
        extractor = self.backbone_
        wanted = *made_for, extractor.stamp()
        found, made = getattr(self, name, (None, None))
        if made is None or found != wanted:
            # On one thread: in a fork of a process that has computed on several, more
            # would never end.
            with single_threaded_torch(extractor.device.type == "cpu"):
                made = make(extractor)
            setattr(self, name, (wanted, made))
        return made

    def _draw_seed(self) -> int:
        if self.random_state is None:
            # Not numpy's global generator, which belongs to the user.
            return secrets.randbits(31)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _items_of_fit(self, X: Any) -> tuple["ItemSource", TableForm | None]:
        """Return the items of ``X`` and, of a 2-D table, how its rows are images."""
        from ..modalities import (
            FlattenedImages,
            as_images,
            is_table,
            resolve_image_shape,
            resolve_value_range,
        )

        if self._modality_name != "image":
            self._check_image_parameters()
            return self._modality.as_items(X), None
        if not is_table(X):
            return as_images(X), None
        X = validate_data(self, X)
        shape = resolve_image_shape(self.image_shape, X.shape[1])
        table = TableForm(shape, resolve_value_range(X))
        return FlattenedImages(X, table.image_shape, table.value_range), table

    def _items(self, X: Any) -> "ItemSource":
        from ..modalities import FlattenedImages, is_table

        if self._modality_name != "image" or not is_table(X):
            return self._modality.as_items(X)
        if self._table is None:
            raise ValueError(
                "X is a 2-D array of numbers, but fit saw images. Pass images, or fit "
                "on 2-D rows of flattened images."
            )
        X = validate_data(self, X, reset=False)
        return FlattenedImages(X, self._table.image_shape, self._table.value_range)

    def _check_image_parameters(self) -> None:
        """Refuse what is of images alone, where the backbone takes something else."""
        for name, (default, remedy) in _OF_IMAGES.items():
            value = getattr(self, name, default)
            if not (value is default or isinstance(value, str) and value == default):
                raise ValueError(
                    f"{name}={value!r} is for images, and backbone={self.backbone!r} "
                    f"takes {self._modality_name}s. {remedy}"
                )

    def _run(self, work: "Work", items: "ItemSource", progress: "Progress") -> "Rows":
        """Compute rows in threads of this process, or in joblib's processes."""
        from ..extraction import n_processes, n_workers, spread_rows

        part_size = self._batch_size_or_usual()
        if n_processes() > 1 and len(items) > part_size:
            return spread_rows(
                work.located(),
                items,
                part_size=part_size,
                n_jobs=self.n_jobs,
                progress=progress,
            )
        return work(items, n_workers(self.n_jobs), progress)

    def _work_settings(self) -> dict[str, Any]:
        """What every kind of work is told, besides what it works with."""
        return {
            "batch_size": self.batch_size,
            "memory": memory_folder(self.memory),
            "on_error": self.on_error,
        }

    def _embedding_work(self) -> "Work":
        from ._work import EmbeddingWork

        return EmbeddingWork(self._fitted_loader(), **self._work_settings())

    def _embed(self, X: Any) -> "Rows":
        """Rows of the embeddings of images, or of maps."""
        from ..extraction import show_progress

        check_is_fitted(self)
        items, work = self._items(X), self._embedding_work()
        with show_progress(self.verbose, len(items), "embedding", items.unit) as shown:
            return self._run(work, items, shown)

    def _batch_size_or_usual(self) -> int:
        usual = self.batch_size == "auto"
        return self._usual_batch_size if usual else self.batch_size

    def _note_rows(self, rows: "Rows") -> None:
        """Warn of cut items; set ``failed_`` and warn, with ``on_error="nan"``."""
        modality = self._modality
        if rows.n_shortened:
            warn(
                f"{rows.n_shortened} of {len(rows.values)} {modality.unit}s are longer "
                f"than the backbone takes: {modality.shortened}"
            )
        if self.on_error != "nan":
            return
        self.failed_ = [row for row, _ in rows.bad]
        if not rows.bad:
            return
        shown = "\n".join(reason for _, reason in rows.bad[:20])
        n_more = len(rows.bad) - 20
        more = f"\n... and {n_more} more (failed_)" if n_more > 0 else ""
        warn(
            f"{len(rows.bad)} of {len(rows.values)} {modality.unit}s could not be "
            f"read; their rows are NaN:\n{shown}{more}\n{modality.leave_out}"
        )
