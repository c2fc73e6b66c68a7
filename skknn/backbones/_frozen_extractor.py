"""What extractors of all modalities share: a frozen module that can be recognised."""

from collections.abc import Collection, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..utils._device import resolve_device
from ..utils._locks import ForkSafeLock
from ..utils._threads import single_threaded_torch
from ._module_stamp import is_watched, module_stamp
from ._precision import resolve_precision
from ._probe import ROUNDING, same_sketch

# Largest relative error of a fingerprint: other versions of libraries and other
# processors round differently; bfloat16 changes rows by up to 4 %. Other weights
# change them by more than half.
_RECOGNISED, _LIKE_BF16 = 1e-3, 0.2


class FrozenExtractor:
    """A frozen backbone: decoded items -> one row each.

    Holds no state of a run: that is in the jobs, of which several may run at the same
    time. Each modality derives from it, and says how a module is asked.

    Parameters
    ----------
    module : torch.nn.Module
        Frozen, in evaluation mode.
    device, precision : str, torch.device or None
        As in :class:`skknn.BackboneEmbedder`.

    Attributes
    ----------
    modality : str
        Key of :data:`skknn.modalities.MODALITIES`.
    module : torch.nn.Module
    device : torch.device
    precision : {"float32", "bf16"}
    layer : str or None
        Full name of the layer whose output is pooled.
    pooling : str
    """

    modality: ClassVar[str]
    layer: str | None
    pooling: str

    def __init__(
        self,
        module: nn.Module,
        *,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.module = module.to(self.device)
        self._n_features: int | None = None
        self._fingerprint: NDArray[np.float32] | None = None
        self._n_shortened = 0
        self._counting = ForkSafeLock()

    @property
    def n_features(self) -> int:
        """Width of a row; asks the module if it has not been run yet."""
        if self._n_features is None:
            self.fingerprint()
        assert self._n_features is not None
        return self._n_features

    def fingerprint(self) -> NDArray[np.float32]:
        """Return some numbers that tell the loaded network from others.

        They follow from what the module, as it was when it was first asked, makes of
        one item; see :meth:`resembles`.
        """
        if self._fingerprint is None:
            self._fingerprint = self._ask()
        return self._fingerprint

    def resembles(self, fingerprint: NDArray[np.float32], like: str) -> bool:
        """Tell whether a network with this fingerprint gives the same rows.

        Parameters
        ----------
        fingerprint : ndarray
            Of another extractor, perhaps on another machine.
        like : str
            The precision it was taken in.
        """
        own = self.fingerprint()
        tolerance = _RECOGNISED if {like, self.precision} == {"float32"} else _LIKE_BF16
        if same_sketch(own, fingerprint, tolerance):
            return True
        # What chance has a part in cannot be recognised.
        return not same_sketch(own, self._ask(), ROUNDING[self.precision])

    def state_key(self) -> bytes | None:
        """Return a digest that is equal only for networks that give the same rows.

        Within this process, and together with :meth:`identity`: from what the module
        makes of an item now. None where someone watches it by hooks or methods of
        their own, which may do anything.
        """
        return None if is_watched(self.module) else self._ask().tobytes()

    def stamp(self) -> Hashable:
        """Return a key that changes when someone has changed the module.

        Whoever keeps what :meth:`network` gave asks for another one then.
        """
        with single_threaded_torch(self.device.type == "cpu"):
            return module_stamp(self.module)

    def check_rows(self, rows: torch.Tensor, n: int) -> None:
        """Refuse what is not one row of features for each of ``n`` items."""
        if rows.ndim != 2 or rows.shape[0] != n:
            raise ValueError(
                f"The backbone gave features of shape {tuple(rows.shape)} for {n} "
                f"{self.modality}s; one row for each is needed."
            )
        self._n_features = rows.shape[1]

    def network(self, keep: Collection[str] = ()) -> Any:
        """Return the backbone in the form in which it is soonest done.

        Parameters
        ----------
        keep : collection of str
            Layers that must be in it as they are in :attr:`module`.

        Returns
        -------
        Network
            Or what has its interface: ``module``, ``device``, ``normalize``,
            ``features``, ``hooked``.
        """
        raise NotImplementedError

    def questions(self, n: int) -> Sequence[Any]:
        """Return the first ``n`` fixed items that networks are asked about, decoded."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """Return what a row depends on besides the item, as plain JSON.

        What cannot be written down shows in what it answers to :meth:`questions`.
        """
        raise NotImplementedError

    def shortened(self) -> int:
        """Return how many items were cut to what the model takes since last asked."""
        with self._counting.held:
            n, self._n_shortened = self._n_shortened, 0
        return n

    def _count_shortened(self) -> None:
        """Note an item that is cut; called in threads."""
        with self._counting.held:
            self._n_shortened += 1

    def _ask(self) -> NDArray[np.float32]:
        """Return a sketch of what the module makes of one fixed item."""
        raise NotImplementedError
