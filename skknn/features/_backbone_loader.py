"""A backbone that is loaded when it is first needed, and never pickled."""

import copy
import os
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..utils._device import resolve_device

if TYPE_CHECKING:
    from ..backbones import Extractor


class BackboneLoader:
    """How to load a backbone, and once that is done, the extractor.

    Parameters
    ----------
    settings : dict
        Arguments of :func:`skknn.backbones.build_extractor`.
    weights_digest : str, optional
        Of the weights that were there at ``fit``, if they came from a file: others
        are refused.
    several_sizes : bool
        Whether a named model must take several input sizes.
    any_device : bool
        Whether another device will do where that of the settings is not available.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        weights_digest: str | None = None,
        several_sizes: bool = False,
        any_device: bool = False,
    ) -> None:
        self._settings = settings
        self._several_sizes, self._any_device = several_sizes, any_device
        self._weights_digest = weights_digest
        self._extractor: Extractor | None = None
        self._loading = threading.Lock()

    @property
    def extractor(self) -> "Extractor":
        """The backbone, loaded."""
        with self._loading:
            if self._extractor is None:
                self._extractor = self._load()
            return self._extractor

    @property
    def is_loaded(self) -> bool:
        """Whether the extractor is there already."""
        return self._extractor is not None

    @property
    def weights_digest(self) -> str | None:
        """Digest of weights that come from a file; known once they are loaded."""
        return self._weights_digest

    def located(self) -> "BackboneLoader":
        """Return one that finds its files from any folder, for other processes."""
        other = copy.copy(self)
        weights = self._settings["weights"]
        if weights is not None and weights != "auto":
            weights = os.path.abspath(os.path.expanduser(weights))
        other._settings = self._settings | {"weights": weights}
        return other

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_extractor": None,
            "_loading": None,
            "_any_device": True,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._loading = threading.Lock()

    def _load(self) -> "Extractor":
        from ..backbones import module_digest

        extractor = self._build()
        weights = self._settings["weights"]
        if weights is not None and weights != "auto":
            digest = module_digest(extractor.module)
            if self._weights_digest not in (None, digest):
                raise ValueError(
                    f"weights={str(weights)!r} are not those that were there at fit. "
                    "Name the right file with set_params(weights=...), or fit again."
                )
            self._weights_digest = digest
        return extractor

    def _build(self) -> "Extractor":
        from ..backbones import build_extractor

        settings = dict(self._settings)
        if self._any_device:
            settings["device"] = _device_here(settings["device"])
        if self._several_sizes and isinstance(settings["backbone"], str):
            # Transformers must be told to take several sizes; others know no such
            # parameter.
            params = {**(settings["backbone_params"] or {}), "dynamic_img_size": True}
            with suppress(TypeError):
                return build_extractor(**settings | {"backbone_params": params})
        return build_extractor(**settings)


def _device_here(device: Any) -> Any:
    """Return the device of an unpickled estimator, which may come from elsewhere."""
    try:
        resolve_device(device)
        return device
    except ValueError as error:
        warnings.warn(
            f"{error} The estimator was fitted where it was; the best device here is "
            "used.",
            UserWarning,
            stacklevel=5,
        )
        return None
