"""A backbone whose weights are not those of its name: they travel with it."""

from typing import TYPE_CHECKING, Any

from ..features._backbone_loader import BackboneLoader

if TYPE_CHECKING:
    import torch

    from ..backbones import FrozenExtractor


class TrainedLoader(BackboneLoader):
    """How to build a backbone and give it weights, which are kept and pickled.

    Parameters
    ----------
    settings : dict
        Arguments of :func:`skknn.backbones.build_extractor`. No weights are looked
        for, neither in a file nor in a package.
    state : dict of str to tensor
        The module's ``state_dict``, on the CPU; not to be changed any more.
    """

    def __init__(
        self, settings: dict[str, Any], state: "dict[str, torch.Tensor]"
    ) -> None:
        params = settings["backbone_params"]
        if params is not None:
            params = {k: v for k, v in params.items() if k != "checkpoint_path"}
        super().__init__(settings | {"weights": None, "backbone_params": params})
        self._state = state

    def _build(self) -> "FrozenExtractor":
        extractor = super()._build()
        extractor.module.load_state_dict(self._state, strict=True)
        return extractor


def copy_state(module: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    """Return a module's parameters and buffers, copied to the CPU."""
    return {
        name: value.detach().cpu().clone()
        for name, value in module.state_dict().items()
    }
