"""What both image transformers share: input, backbone, device, threads, state."""

import os
import secrets
import warnings
from contextlib import contextmanager

from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from ..utils._device import resolve_device
from ..utils._parameters import ParamsMixin


class ImageTransformer(ParamsMixin, TransformerMixin):
    """Base of :class:`BackboneEmbedder` and :class:`FungiTransformer`.

    Subclasses have the parameters ``backbone``, ``weights``, ``pooling``,
    ``image_size``, ``image_shape``, ``backbone_params``, ``device``, ``precision``,
    ``n_jobs``, ``memory``, ``on_error``, ``random_state`` and ``verbose``, and set
    ``_seed`` at ``fit``. A fitted one holds in ``__dict__``

    ``_seed``, ``_weights_digest``, ``_image_shape``, ``_range``
        small things, always kept;
    ``_live``
        the loaded backbone, never pickled and loaded again on demand.
    """

    # The block or stage of the backbone whose output is pooled.
    _backbone_layer = None

    @property
    def backbone_(self):
        """The loaded backbone (loaded again after unpickling)."""
        if not hasattr(self, "_seed"):
            raise AttributeError("backbone_ is there after fit only")
        if getattr(self, "_live", None) is None:
            self._live = self._load_backbone()
        return self._live

    @property
    def device_(self):
        """The torch device that computes."""
        return self.backbone_.device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self):
        """Leave out what is large or belongs to this machine.

        Always dropped: the loaded backbone (rebuilt from name, file or seed). Of a
        fitted estimator also: the folder ``memory`` and the folder part of
        ``weights``, where they are absolute paths. Kept: everything else.
        """
        state = dict(super().__getstate__())
        state.pop("_live", None)
        if "_seed" in state:
            if _is_absolute(state["memory"]):
                state["memory"] = None
            if _is_absolute(state["weights"]):
                state["weights"] = os.path.basename(state["weights"])
            state["_unpickled"] = True
        return state

    def _draw_seed(self):
        if self.random_state is None:
            # Not numpy's global generator, which belongs to the user.
            return secrets.randbits(31)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _load_backbone(self, **more_params):
        from ..backbones import build_extractor, module_digest

        device = self.device
        if getattr(self, "_unpickled", False):
            device = _device_here(device)
        extractor = build_extractor(
            self.backbone,
            weights=self.weights,
            image_size=self.image_size,
            backbone_params={**(self.backbone_params or {}), **more_params},
            seed=self._seed,
            device=device,
            pooling=self.pooling,
            layer=self._backbone_layer,
            precision=self.precision,
        )
        if self.weights is not None and str(self.weights) != "auto":
            digest = module_digest(extractor.module)
            if getattr(self, "_weights_digest", digest) != digest:
                raise ValueError(
                    f"weights={str(self.weights)!r} are not those that were there at "
                    "fit. Name the right file with set_params(weights=...), or fit "
                    "again."
                )
            self._weights_digest = digest
        return extractor

    def _start_fit(self, X):
        """Note the form of ``X``, draw the seed and load the backbone."""
        for name in (
            "n_features_in_",
            "feature_names_in_",
            "_image_shape",
            "_range",
            "_live",
            "_weights_digest",
            "_unpickled",
            "failed_",
        ):
            if hasattr(self, name):
                delattr(self, name)
        self._fit_input(X)
        self._seed = self._draw_seed()
        self._live = self._load_backbone()

    def _fit_input(self, X):
        from ..modalities import (
            as_images,
            is_rows,
            resolve_image_shape,
            resolve_value_range,
        )

        if is_rows(X):
            X = validate_data(self, X)
            self._image_shape = resolve_image_shape(self.image_shape, X.shape[1])
            self._range = resolve_value_range(X)
        else:
            as_images(X)

    def _images(self, X):
        from ..modalities import RowImages, as_images, is_rows

        if not is_rows(X):
            return as_images(X)
        if not hasattr(self, "_image_shape"):
            raise ValueError(
                "X is a 2-D array of numbers, but fit saw images. Pass images, or fit "
                "on 2-D rows of flattened images."
            )
        X = validate_data(self, X, reset=False)
        return RowImages(X, self._image_shape, self._range)

    def _extract_all(self, images, what):
        """Return the rows of all images, in this process or in joblib's.

        Needs ``_extract(images, *, n_threads=None, progress=None)``, which gives
        rows and failures of a part, also in another process. Sets ``failed_`` when
        ``on_error="nan"``.
        """
        from ..extraction._processes import extract_in_processes, n_processes

        n_jobs = n_processes()
        with self._progress(len(images), what) as progress:
            if n_jobs > 1 and len(images) > self.batch_size:
                rows, failed = extract_in_processes(self, images, n_jobs, progress)
            else:
                rows, failed = self._extract(images, progress=progress)
        if self.on_error == "nan":
            self.failed_ = [row for row, _ in failed]
            _warn_of_failures(failed, len(images))
        return rows

    def _n_threads(self):
        import joblib
        import torch

        n_jobs = joblib.effective_n_jobs(self.n_jobs)
        if self.n_jobs is not None or n_jobs > 1:
            return n_jobs
        # Also what loky and OMP_NUM_THREADS leave to this process.
        return torch.get_num_threads()

    @contextmanager
    def _progress(self, n, what):
        """Give a function to call with the number of rows done; None if silent."""
        if not self.verbose:
            yield None
            return
        from tqdm.auto import tqdm

        with tqdm(total=n, desc=what, unit="image") as bar:
            yield bar.update


def _warn_of_failures(failed, n):
    if not failed:
        return
    shown = "\n".join(message for _, message in failed[:20])
    more = f"\n... and {len(failed) - 20} more (failed_)" if len(failed) > 20 else ""
    warnings.warn(
        f"{len(failed)} of {n} images could not be read; their rows are NaN:\n"
        f"{shown}{more}",
        UserWarning,
        stacklevel=4,
    )


def _is_absolute(path):
    return path is not None and os.path.isabs(path)


def _device_here(device):
    """Return the device of an unpickled estimator, which may come from elsewhere."""
    try:
        resolve_device(device)
        return device
    except ValueError as error:
        warnings.warn(
            f"{error} The estimator was fitted where it was; the best device here is "
            "used.",
            UserWarning,
            stacklevel=4,
        )
        return None
