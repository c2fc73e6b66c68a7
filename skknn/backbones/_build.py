"""Load a backbone and wrap it in an extractor."""

from typing import Any

import torch

from ..utils._threads import single_threaded_torch
from ._dense_extractor import DenseExtractor, DenseSettings
from ._extractor import Extractor
from ._frozen_extractor import FrozenExtractor
from ._item_backbone import ItemBackbone
from ._load import load_backbone
from ._preprocess import data_config


def build_extractor(
    backbone: Any,
    *,
    weights: Any = "auto",
    image_size: int | tuple[int, int] | None = None,
    backbone_params: dict[str, Any] | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    pooling: str = "auto",
    layer: str | int | None = None,
    precision: str = "auto",
    dense: DenseSettings | None = None,
) -> FrozenExtractor:
    """Load a backbone and wrap it; see :func:`load_backbone`.

    With ``dense`` it gives maps instead of rows, which are neither pooled nor from
    ``layer``. An :class:`ItemBackbone` builds itself.
    """
    if isinstance(backbone, ItemBackbone):
        return backbone.build(device=device, precision=precision, layer=layer)
    # Hundreds of small copies wait for each other when they are spread over threads.
    with single_threaded_torch():
        module = load_backbone(
            backbone,
            weights=weights,
            image_size=image_size,
            backbone_params=backbone_params,
            seed=seed,
        )
        config = data_config(module, image_size)
        from_timm = isinstance(backbone, str)
        if dense is not None:
            return DenseExtractor(
                module,
                config,
                dense,
                from_timm=from_timm,
                device=device,
                precision=precision,
            )
        return Extractor(
            module,
            config,
            from_timm=from_timm,
            pooling=pooling,
            layer=layer,
            device=device,
            precision=precision,
        )
