"""Build the frozen torch module: architecture, weights, input size."""

import copy
import difflib
import os
from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg

from ..utils._class_code import is_plain
from ..utils._locks import ForkSafeLock
from ..utils._out_of_memory import is_out_of_memory
from ..utils._torch_random import seeded_torch
from ._model_folder import classifier_names, folder_weights, model_folder
from ._preprocess import size_pair
from ._weights import (
    check_downloadable,
    no_code_from_files,
    no_weights_message,
    packaged_weights,
    read_state_dict,
    to_timm_keys,
)

Size = tuple[int, int] | None

# Random initialisation goes through torch's global generator.
_BUILDING = ForkSafeLock()
# The last small named module, because searches fit the same recipe again and again.
_KEPT: dict[tuple, torch.nn.Module] = {}
_KEPT_BYTES = 2**27


def load_backbone(
    backbone: Any,
    *,
    weights: str | os.PathLike | None = "auto",
    image_size: int | tuple[int, int] | None = None,
    backbone_params: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> torch.nn.Module:
    """Return a module in evaluation mode, without classifier, on the CPU.

    Parameters
    ----------
    backbone : str, Module or callable
        timm name, module (copied), or function that returns one.
    weights : "auto", None or path
        For a name; a module brings its own.
    image_size : None, int or (height, width)
        Input size where it differs from the model's own.
    backbone_params : dict, optional
        Passed to ``timm.create_model`` or to the callable.
    seed : int
        For random weights.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError, OSError
        If name, weights or size do not fit.
    """
    params = dict(backbone_params or {})
    size = None if image_size is None else size_pair(image_size)
    # Whatever device torch makes tensors on by default: numbers differ by device.
    with _BUILDING.held, torch.device("cpu"), seeded_torch() as seed_all:
        seed_all(seed)
        if isinstance(backbone, torch.nn.Module):
            if params:
                raise ValueError(
                    "backbone_params is for names and functions; backbone is a "
                    f"{type(backbone).__name__} that is built already. Leave it None."
                )
            module = copy.deepcopy(backbone)
        elif isinstance(backbone, str):
            module = _named(backbone, weights, size, params, seed)
        else:
            module = backbone(**params)
            if not isinstance(module, torch.nn.Module):
                name = type(module).__name__
                raise TypeError(
                    f"backbone={backbone!r} returned a {name}, not a torch.nn.Module."
                    + f" Pass an instance, {name}()." * (backbone is type(module))
                )
            # The function may keep the module for itself.
            module = copy.deepcopy(module)
        if not isinstance(backbone, str) and not (
            weights is None or isinstance(weights, str) and weights == "auto"
        ):
            _load_strict(module, read_state_dict(weights), weights)
        if not isinstance(backbone, str) and size is not None:
            _resize_input(module, size)
    return module.eval().requires_grad_(False).to("cpu")


def _named(
    name: str, weights: Any, size: Size, params: dict[str, Any], seed: int
) -> torch.nn.Module:
    """Build a named module, or copy the one that was built last."""
    if "checkpoint_path" in params:
        if weights is not None and str(weights) != "auto":
            raise ValueError(
                f"weights={str(weights)!r} and backbone_params={{'checkpoint_path': "
                f"{str(params['checkpoint_path'])!r}}} name two files. Use weights= "
                "alone."
            )
        weights = params.pop("checkpoint_path")
    from_file = weights is not None and str(weights) != "auto"
    # Files, folders and the hub may change under their name, other objects anyhow.
    if from_file or ":" in name or not all(map(is_plain, params.values())):
        return _from_name(name, weights, size, params)
    architecture = name.partition(".")[0]
    known = timm.is_model(architecture)
    recipe = (
        name,
        # Users may register another model under the same name.
        timm.model_entrypoint(architecture) if known else None,
        size,
        repr(sorted(params.items())),
        weights or seed,
    )
    if recipe not in _KEPT:
        module = _from_name(name, weights, size, params)
        if sum(t.nbytes for t in module.state_dict().values()) > _KEPT_BYTES:
            return module
        _KEPT.clear()
        _KEPT[recipe] = module
    return copy.deepcopy(_KEPT[recipe])


def _from_name(
    name: str, weights: Any, size: Size, params: dict[str, Any]
) -> torch.nn.Module:
    if "num_classes" in params:
        raise ValueError(
            "backbone_params must not set num_classes: the classifier is always "
            "removed."
        )
    if "img_size" in params:
        raise ValueError(
            "Use image_size= instead of backbone_params={'img_size': ...}."
        )
    if "pretrained" in params or _names_weights(params):
        raise ValueError(
            f"backbone_params={params!r} must not say which weights are loaded. Use "
            "weights='path/to/file', 'auto' or None."
        )
    if ":" not in name and not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
        raise ValueError(
            f"backbone={name!r} is no timm model"
            + (f"; close names: {', '.join(near)}" if near else "")
            + ". timm.list_models() lists them all; 'hf-hub:owner/name' takes one from "
            "the hub."
        )
    if weights is None:
        return _create(name, size, params)
    if str(weights) != "auto":
        return _from_file(name, weights, size, params)
    folder = model_folder(name)
    file = packaged_weights(name) if folder is None else folder_weights(folder)
    if file is None:
        return _download(name, size, params)
    return _from_file(name, file, size, params)


def _names_weights(params: dict[str, Any]) -> bool:
    """Whether timm's description of the weights is given, and says where they are."""
    given = [params.get("pretrained_cfg"), params.get("pretrained_cfg_overlay")]
    return any(
        isinstance(config, dict) and {"file", "url", "hf_hub_id"} & config.keys()
        for config in given
    )


def _from_file(
    name: str, file: str | os.PathLike, size: Size, params: dict[str, Any]
) -> torch.nn.Module:
    state = read_state_dict(file)
    if "_conv_stem.weight" in state:
        with torch.device("meta"):
            state = to_timm_keys(state, timm.create_model(name, **params))
    heads = classifier_names(name)
    classes = [
        len(state[f"{head}.weight"]) for head in heads if f"{head}.weight" in state
    ]
    # Building with the classifier that the file has keeps timm's loading strict;
    # otherwise a wrong file would leave random weights behind without a word.
    n_classes = classes[0] if classes else 0
    overlay = {
        # Else the name says where the weights come from.
        "source": "",
        "state_dict": state,
        "num_classes": n_classes,
        "label_offset": 0,
    }
    try:
        module: Any = _create(
            name,
            size,
            params | {"num_classes": n_classes},
            pretrained=True,
            pretrained_cfg_overlay=overlay,
        )
    except (RuntimeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(
            f"weights={str(file)!r} do not fit backbone={name!r}: {error}"
        ) from error
    if n_classes:
        module.reset_classifier(0)
    # The overlay stays in the configuration, and with it the tensors.
    module.pretrained_cfg.pop("state_dict", None)
    return module


def _download(name: str, size: Size, params: dict[str, Any]) -> torch.nn.Module:
    if ":" in name:
        source, _, model_id = name.partition(":")
        if source.replace("_", "-") == "hf-hub":
            check_downloadable(name, {"hf_hub_id": model_id})
    else:
        config = get_pretrained_cfg(name)
        check_downloadable(name, {} if config is None else config.to_dict())
    try:
        return _create(name, size, params, pretrained=True)
    except Exception as error:  # the hub's client has exceptions of its own
        if isinstance(error, (TypeError, ValueError)) or is_out_of_memory(error):
            raise
        raise OSError(
            no_weights_message(name, f"{type(error).__name__}: {error}")
        ) from error


def _create(
    name: str, size: Size, params: dict[str, Any], **kwargs: Any
) -> torch.nn.Module:
    kwargs = {"num_classes": 0} | params | kwargs
    try:
        with no_code_from_files():
            module = timm.create_model(name, **kwargs)
    except TypeError as error:
        if not params:
            raise
        raise TypeError(
            f"backbone_params={params!r} do not suit backbone={name!r}: {error}"
        ) from error
    if size is not None:
        _resize_input(module, size)
    return module


def _resize_input(module: Any, size: tuple[int, int]) -> None:
    """Resample position embeddings and windows where the model has any."""
    if not hasattr(module, "set_input_size"):
        return
    try:
        module.set_input_size(img_size=size)
    except (AssertionError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"image_size={size} does not suit the backbone ({error}). Sizes must "
            "usually be multiples of the patch or window size."
        ) from error


def _load_strict(
    module: torch.nn.Module, state: dict[str, torch.Tensor], path: Any
) -> None:
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(
            f"weights={str(path)!r} do not fit the backbone: {error}"
        ) from None
