"""What both image transformers share: input, backbone, device, threads, state."""

import secrets
from contextlib import contextmanager

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from .._params import ParamsMixin


class ImageTransformer(ParamsMixin, TransformerMixin):
    """Base of :class:`BackboneEmbedder` and :class:`FungiTransformer`.

    Subclasses have the parameters ``backbone``, ``weights``, ``image_size``,
    ``image_shape``, ``backbone_params``, ``device``, ``n_jobs``, ``random_state``
    and ``verbose``, and set ``_seed`` at ``fit``.
    """

    def _draw_seed(self):
        if self.random_state is None:
            # Not numpy's global generator, which belongs to the user.
            return secrets.randbits(31)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    @property
    def backbone_(self):
        """The loaded backbone (loaded again after unpickling)."""
        if not hasattr(self, "_seed"):
            raise AttributeError("backbone_ is there after fit only")
        if getattr(self, "_live", None) is None:
            from ..backbones._extractor import build_extractor

            self._live = build_extractor(
                self.backbone,
                weights=self.weights,
                image_size=self.image_size,
                backbone_params=self.backbone_params,
                seed=self._seed,
                device=self.device,
            )
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
        state = dict(super().__getstate__())
        state.pop("_live", None)
        return state

    def _fit_input(self, X):
        from ..inputs import (
            as_images,
            is_rows,
            resolve_image_shape,
            resolve_value_range,
        )

        for name in ("n_features_in_", "feature_names_in_", "_image_shape", "_range"):
            if hasattr(self, name):
                delattr(self, name)
        if is_rows(X):
            dtype = getattr(X, "dtype", np.dtype(float))
            X = validate_data(self, X)
            self._image_shape = resolve_image_shape(self.image_shape, X.shape[1])
            self._range = resolve_value_range(X, dtype)
        else:
            as_images(X)

    def _images(self, X):
        from ..inputs import RowImages, as_images, is_rows

        if not is_rows(X):
            return as_images(X)
        if not hasattr(self, "_image_shape"):
            raise ValueError(
                "X is a 2-D array of numbers, but fit saw images. Pass images, or fit "
                "on 2-D rows of flattened images."
            )
        X = validate_data(self, X, reset=False)
        return RowImages(X, self._image_shape, self._range)

    def _n_threads(self):
        import joblib

        if self.n_jobs is None:
            return joblib.cpu_count()
        return joblib.effective_n_jobs(self.n_jobs)

    @contextmanager
    def _progress(self, n, what):
        """Give a function to call with the number of rows done; None if silent."""
        if not self.verbose:
            yield None
            return
        from tqdm.auto import tqdm

        with tqdm(total=n, desc=what, unit="image") as bar:
            yield bar.update
