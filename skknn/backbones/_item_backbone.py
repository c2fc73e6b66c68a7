"""What a backbone of another modality than images is: a small object with settings.

Importing this loads no torch: such objects are parameters of estimators.
"""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn.base import BaseEstimator

from ..utils._parameters import ParamsMixin

if TYPE_CHECKING:
    import torch

    from ._frozen_extractor import FrozenExtractor


class ItemBackbone(ParamsMixin, BaseEstimator):
    """Base of the backbones that know their modality.

    Holds parameters alone; the network is loaded by :meth:`build` when an estimator is
    fitted. Parameters are reached in searches as ``backbone__NAME``.
    """

    #: Key of ``skknn.modalities.MODALITIES``.
    modality: ClassVar[str]

    # Values of ``model`` that pip carries, whatever folder lies beside.
    _packages: ClassVar[Collection[str]] = ()

    # Of scikit-learn's validation.
    _parameter_constraints: dict = {}

    def build(
        self,
        *,
        device: "str | torch.device | None" = None,
        precision: str = "auto",
        layer: str | int | None = None,
    ) -> "FrozenExtractor":
        """Load the network.

        Parameters
        ----------
        device, precision : str, torch.device or None
            As in :class:`skknn.BackboneEmbedder`.
        layer : str, int or None
            An earlier block whose output is pooled.

        Returns
        -------
        FrozenExtractor
        """
        raise NotImplementedError

    def located(self) -> Self:
        """Return one that finds its folder from any other, for other processes.

        That is what a parameter ``model`` names, if there is one.
        """
        params: dict[str, Any] = self.get_params(deep=False)
        model = params.get("model")
        if not isinstance(model, (str, os.PathLike)) or model in self._packages:
            return self
        folder = os.path.abspath(os.path.expanduser(model))
        if not os.path.isdir(folder):
            return self
        return type(self)(**params | {"model": folder})
