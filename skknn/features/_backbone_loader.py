"""A backbone that is loaded when it is first needed, and never pickled."""

import copy
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..backbones import ItemBackbone
from ..utils._device import resolve_device
from ..utils._locks import ForkSafeLock
from ..utils._warn import warn

if TYPE_CHECKING:
    from ..backbones import FrozenExtractor

_FOLDER = "local-dir:"


@dataclass(frozen=True)
class Recognition:
    """By what a backbone that is loaded again is known; small.

    Attributes
    ----------
    fingerprint : ndarray
        What it makes of a picture or text.
    precision : {"float32", "bf16"}
        In which it did.
    weights_digest : str or None
        Of the whole module, where its weights are from a file.
    """

    fingerprint: NDArray[np.float32]
    precision: str
    weights_digest: str | None


class BackboneLoader:
    """How to load a backbone, and once that is done, the extractor.

    Parameters
    ----------
    settings : dict
        Arguments of :func:`skknn.backbones.build_extractor`.
    known : Recognition, optional
        Of the backbone that was there at ``fit``: others are refused.
    several_sizes : bool
        Whether a named model must take several input sizes.
    any_device : bool
        Whether another device will do where that of the settings is not available.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        known: Recognition | None = None,
        several_sizes: bool = False,
        any_device: bool = False,
    ) -> None:
        self._settings = settings
        self._several_sizes, self._any_device = several_sizes, any_device
        self._known = known
        self._extractor: FrozenExtractor | None = None
        self._loading = ForkSafeLock()

    @property
    def extractor(self) -> "FrozenExtractor":
        """The backbone, loaded."""
        with self._loading.held:
            if self._extractor is None:
                self._extractor = self._load()
            return self._extractor

    @property
    def is_loaded(self) -> bool:
        """Whether the extractor is there already."""
        return self._extractor is not None

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of :func:`skknn.backbones.build_extractor`, not to be changed."""
        return self._settings

    @property
    def known(self) -> Recognition | None:
        """By what the backbone is recognised, once it is loaded."""
        return self._known

    def located(self) -> "BackboneLoader":
        """Return one that finds its files from any folder, for other processes."""
        other, settings = copy.copy(self), dict(self._settings)
        weights, backbone = settings["weights"], settings["backbone"]
        if weights is not None and weights != "auto":
            settings["weights"] = absolute(weights)
        if isinstance(backbone, str) and backbone.lower().startswith(_FOLDER):
            folder = absolute(backbone[len(_FOLDER) :])
            settings["backbone"] = f"{_FOLDER}{folder}"
        if isinstance(backbone, ItemBackbone):
            settings["backbone"] = backbone.located()
        params = settings["backbone_params"] or {}
        if "checkpoint_path" in params:
            path = absolute(params["checkpoint_path"])
            settings["backbone_params"] = {**params, "checkpoint_path": path}
        other._settings = settings
        return other

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_extractor": None,
            "_loading": None,
            "_any_device": True,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._loading = ForkSafeLock()

    def _load(self) -> "FrozenExtractor":
        from ..backbones import module_digest

        extractor, known = self._build(), self._known
        weights, digest = self._settings["weights"], None
        if weights is not None and weights != "auto":
            digest = module_digest(extractor.module)
            if known is not None and known.weights_digest not in (None, digest):
                raise ValueError(
                    f"weights={str(weights)!r} are not those that were there at fit. "
                    "Name the right file with set_params(weights=...), or fit again."
                )
        if known is not None and not extractor.resembles(
            known.fingerprint, known.precision
        ):
            raise ValueError(
                f"backbone={_shown(self._settings['backbone'])} gives other features "
                "than at fit: its files, its code or a library have changed, or random "
                "weights are drawn otherwise here. Fit again, or restore what was "
                "there."
            )
        self._known = Recognition(extractor.fingerprint(), extractor.precision, digest)
        return extractor

    def _build(self) -> "FrozenExtractor":
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


def absolute(path: str | os.PathLike) -> str:
    """Return a path that processes in other folders understand."""
    return os.path.abspath(os.path.expanduser(path))


def _shown(backbone: Any) -> str:
    """Return a backbone's name; modules print pages."""
    named = isinstance(backbone, str) or not hasattr(backbone, "state_dict")
    return repr(backbone) if named else type(backbone).__name__


def _device_here(device: Any) -> Any:
    """Return the device of an unpickled estimator, which may come from elsewhere."""
    try:
        resolve_device(device)
        return device
    except ValueError as error:
        warn(
            f"{error} The estimator was fitted where it was; the best device here is "
            "used."
        )
        return None
